import { lazy } from "react";
import type { Session } from "../../api/session";

// The parts of the settings, in the order of their navigation, each with the right
// that one needs to see it. A part comes when it is asked for.
const sections = [
  { to: "general", right: "settings.read", Part: lazy(() => import("./runtime/General")) },
  { to: "users", right: "users.read", Part: lazy(() => import("./users")) },
  { to: "tokens", right: "tokens.write", Part: lazy(() => import("./Robots")) },
  { to: "trust", right: "trust.read", Part: lazy(() => import("./trust")) },
  { to: "tls", right: "system.read", Part: lazy(() => import("./tls")) },
  { to: "retention", right: "content.read", everywhere: true, Part: lazy(() => import("./Retention")) },
  { to: "storage", right: "system.read", Part: lazy(() => import("./Storage")) },
  { to: "network", right: "system.read", Part: lazy(() => import("./Network")) },
  { to: "backup", right: "system.write", Part: lazy(() => import("./Backup")) },
  { to: "diagnostics", right: "system.read", Part: lazy(() => import("./Diagnostics")) },
  { to: "configuration", right: "settings.read", Part: lazy(() => import("./runtime/Configuration")) },
] as const;

// sectionsFor are the parts that somebody may see. What is told of all repositories
// is not told to those who may see some only.
export function sectionsFor(session: Session) {
  const rights = session.rights ?? [];
  return sections.filter((s) => rights.includes(s.right) && !("everywhere" in s && session.restricted));
}
