import { AuditIcon, ClusterIcon, ContentIcon, HomeIcon, HostIcon, JobIcon, LandIcon, MirrorIcon, SettingsIcon } from "../components/icons";

// The areas of the UI, in the order of the navigation, with the right that one needs
// to see anything there.
export const areas = [
  { to: "/", name: "home", right: "system.read", Icon: HomeIcon },
  { to: "/land", name: "land", right: "bundles.read", Icon: LandIcon },
  { to: "/content", name: "content", right: "content.read", Icon: ContentIcon },
  { to: "/mirrors", name: "mirrors", right: "mirrors.read", Icon: MirrorIcon },
  { to: "/clusters", name: "clusters", right: "definitions.read", Icon: ClusterIcon },
  { to: "/hosts", name: "hosts", right: "hosts.read", Icon: HostIcon },
  { to: "/jobs", name: "jobs", right: "jobs.read", Icon: JobIcon },
  { to: "/audit", name: "audit", right: "audit.read", Icon: AuditIcon },
  { to: "/settings", name: "settings", right: "system.read", Icon: SettingsIcon },
] as const;

export type Area = (typeof areas)[number];
