import { useMemo } from "react";
import { Link, useLocation } from "react-router";
import { useMay, useSession } from "../../api/session";
import { useText } from "../../text";
import classes from "./content.module.css";

// Ways lead to the other pages about content. Trash and collection are about all
// repositories, which not everybody may be told of.
export function Ways() {
  const t = useText().content;
  const { pathname } = useLocation();
  const exports = useMay("bundles.read");
  const space = !useSession().restricted;
  const ways = useMemo(
    () => [
      { to: "/content", label: t.names, shown: true },
      { to: "/content/repositories", label: t.repositories, shown: true },
      { to: "/content/exports", label: t.exports.title, shown: exports },
      { to: "/content/space", label: t.space.title, shown: space },
    ],
    [t, exports, space],
  );
  return (
    <nav aria-label={t.ways} className={classes.ways}>
      {ways
        .filter((w) => w.shown)
        .map((w) => (
          <Link key={w.to} to={w.to} aria-current={pathname === w.to ? "page" : undefined}>
            {w.label}
          </Link>
        ))}
    </nav>
  );
}
