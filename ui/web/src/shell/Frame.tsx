import { ActionIcon, Alert, AppShell, Box, Burger, Group, Menu, NavLink } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, type ReactNode } from "react";
import { Link, useLocation } from "react-router";
import { ask, client } from "../api/client";
import { useConnected, useLive, type Job } from "../api/live";
import { useEnter, useMay, useSession } from "../api/session";
import { useJobTitle } from "../components/JobState";
import { UserIcon } from "../components/icons";
import { useText } from "../text";
import { Appearance } from "./Appearance";
import { areas, type Area } from "./areas";
import { Brand } from "./Brand";
import classes from "./frame.module.css";

// Frame is around every page: the way to the others, who is signed in, and what
// happens meanwhile.
export function Frame({ children }: { children: ReactNode }) {
  const t = useText();
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const { siteName } = useSession();
  const live = useMay("jobs.read");
  useEffect(close, [pathname, close]);
  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 244, breakpoint: "md", collapsed: { mobile: !opened } }} padding="lg">
      <a href="#content" className={classes.skip}>
        {t.shell.skip}
      </a>
      <AppShell.Header className={classes.bar}>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap" style={{ minWidth: 0 }}>
            <Burger opened={opened} onClick={toggle} hiddenFrom="md" size="sm" aria-label={t.shell.openMenu} aria-expanded={opened} />
            <Link to="/" className={classes.brand}>
              <Brand site={siteName} />
            </Link>
          </Group>
          <UserMenu />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t.shell.menu} className={classes.bar}>
        {areas.map((area) => (
          <AreaLink key={area.to} area={area} />
        ))}
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} className={classes.main}>
        <Box maw={1240} mx="auto">
          {live && <Live />}
          {children}
        </Box>
      </AppShell.Main>
    </AppShell>
  );
}

function AreaLink({ area }: { area: Area }) {
  const t = useText();
  const { pathname } = useLocation();
  const may = useMay(area.right);
  if (!may) return null;
  const active = area.to === "/" ? pathname === "/" : pathname === area.to || pathname.startsWith(area.to + "/");
  return (
    <NavLink
      component={Link}
      to={area.to}
      label={t.shell[area.name]}
      leftSection={<area.Icon />}
      rightSection={area.name === "jobs" ? <Running /> : undefined}
      active={active}
      aria-current={active ? "page" : undefined}
      className={classes.link}
    />
  );
}

// Running says how many jobs run.
function Running() {
  const t = useText();
  const query = useQuery({ queryKey: ["jobs", "running"], queryFn: () => ask(client.GET("/api/v1/jobs", { params: { query: { state: "running", limit: 50 } } })) });
  const n = query.data?.items?.length ?? 0;
  return n > 0 ? <span className={classes.count} aria-label={t.shell.running(String(n))}>{n}</span> : null;
}

function UserMenu() {
  const t = useText();
  const session = useSession();
  const enter = useEnter();
  const role = t.shell.role[(session.role ?? "") as keyof typeof t.shell.role] ?? session.role ?? "";
  const signOut = async () => enter(await ask(client.DELETE("/api/v1/session")));
  return (
    <Menu position="bottom-end" width={260} withinPortal={false}>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" radius="xl" aria-label={t.shell.userMenu}>
          <UserIcon />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{t.shell.signedInAs(session.name, role)}</Menu.Label>
        {session.kind === "user" && (
          <Menu.Item component={Link} to="/account">
            {t.shell.account}
          </Menu.Item>
        )}
        {session.via === "session" && <Menu.Item onClick={() => void signOut()}>{t.shell.signOut}</Menu.Item>}
        <Menu.Divider />
        <Appearance />
      </Menu.Dropdown>
    </Menu>
  );
}

// Live keeps the pages level with the appliance, and tells of jobs that end.
function Live() {
  const t = useText();
  const title = useJobTitle();
  const connected = useConnected();
  const onEnd = useCallback(
    (job: Job) => {
      const state = job.state === "done" || job.state === "failed" ? job.state : "cancelled";
      notifications.show({
        id: job.id,
        color: state === "done" ? "teal" : state === "failed" ? "red" : "gray",
        title: t.shell.jobEnded[state](title(job)),
        message: <Link to={`/jobs/${job.id}`}>{job.error?.message ?? t.common.details}</Link>,
        autoClose: state === "failed" ? false : 8000,
      });
    },
    [t],
  );
  useLive(onEnd);
  if (connected) return null;
  return (
    <Alert color="yellow" mb="md" role="status">
      {t.shell.disconnected}
    </Alert>
  );
}
