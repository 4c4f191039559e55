import { NavLink } from "@mantine/core";
import { Suspense } from "react";
import { Link, Navigate, Route, Routes, useLocation } from "react-router";
import { useSession } from "../../api/session";
import { Loading } from "../../components/States";
import { NotFound } from "../../shell/NotFound";
import { useText } from "../../text";
import { sectionsFor } from "./sections";
import classes from "./settings.module.css";

// Settings: how the appliance is set up, who may use it, and how it is.
export default function Settings() {
  const sections = sectionsFor(useSession());
  const first = sections[0];
  if (!first) return <NotFound />;
  return (
    <div className={classes.frame}>
      <Parts names={sections.map((s) => s.to)} />
      <div className={classes.part}>
        <Suspense fallback={<Loading />}>
          <Routes>
            <Route index element={<Navigate to={`/settings/${first.to}`} replace />} />
            {sections.map(({ to, Part }) => (
              <Route key={to} path={`${to}/*`} element={<Part />} />
            ))}
            <Route path="*" element={<NotFound />} />
          </Routes>
        </Suspense>
      </div>
    </div>
  );
}

type Name = ReturnType<typeof sectionsFor>[number]["to"];

function Parts({ names }: { names: Name[] }) {
  const t = useText().settings;
  const here = useLocation().pathname.split("/")[2];
  return (
    <nav aria-label={t.parts} className={classes.parts}>
      {names.map((name) => (
        <NavLink key={name} component={Link} to={`/settings/${name}`} label={t[name].title} active={here === name} aria-current={here === name ? "page" : undefined} className={classes.link} />
      ))}
    </nav>
  );
}
