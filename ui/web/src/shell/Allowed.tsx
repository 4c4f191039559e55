import type { ReactNode } from "react";
import { useMay } from "../api/session";
import { Page } from "../components/Page";
import { Empty } from "../components/States";
import { useText } from "../text";
import { areas, type Area } from "./areas";

// Allowed shows the pages of an area to those who may see anything there. The others
// find no way to it, but may have its address.
export function Allowed({ path, children }: { path: string; children: ReactNode }) {
  const area = areas.find((a) => a.to !== "/" && (path === a.to || path.startsWith(a.to + "/")));
  return area ? <Inside area={area}>{children}</Inside> : children;
}

function Inside({ area, children }: { area: Area; children: ReactNode }) {
  const t = useText().shell;
  const may = useMay(area.right);
  if (may) return children;
  const { what, act } = t.failure[403];
  return (
    <Page title={t[area.name]}>
      <Empty icon={<area.Icon />} title={what}>
        {act}
      </Empty>
    </Page>
  );
}
