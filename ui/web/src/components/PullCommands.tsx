import { Anchor, SegmentedControl, Stack, Switch, Tabs, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useMay } from "../api/session";
import { useText } from "../text";
import { CodeBlock } from "./Copy";

export type Pulled = { repository: string; tag?: string; digest: string };

// PullCommands are the commands by which hosts and clusters get an image from here:
// by this site's address, or by its original name where hosts are set up for that.
export function PullCommands({ repository, tag, digest, chart }: Pulled & { chart?: boolean }) {
  const t = useText().content.pull;
  const original = hasHost(repository);
  const [by, setBy] = useState<"address" | "name">("address");
  const [exact, setExact] = useState(tag === undefined);
  const way = original && !chart ? by : "address";
  const host = way === "name" ? "" : `${window.location.host}/`;
  const path = way === "name" ? repository : pathOf(repository);
  const name = host + path + (exact || tag === undefined ? `@${digest}` : `:${tag}`);
  const commands = chart ? helm(host + path, tag, digest) : tools(name, way === "name");
  return (
    <Stack gap="sm">
      {original && !chart && (
        <SegmentedControl
          aria-label={t.way}
          value={by}
          onChange={(v) => setBy(v === "name" ? "name" : "address")}
          data={[
            { value: "address", label: t.byAddress },
            { value: "name", label: t.byName },
          ]}
          style={{ alignSelf: "start" }}
        />
      )}
      <Hint byName={way === "name"} />
      {tag !== undefined && !chart && <Switch label={t.exact} description={t.exactHint} checked={exact} onChange={(e) => setExact(e.currentTarget.checked)} />}
      <Commands commands={commands} />
    </Stack>
  );
}

type Command = { id: string; label: string; command: string };

function Commands({ commands }: { commands: Command[] }) {
  const t = useText().content.pull;
  if (commands.length === 1) return commands.map((c) => <CodeBlock key={c.id} label={c.label} value={c.command} />);
  return (
    <Tabs defaultValue={commands[0]?.id} keepMounted={false}>
      <Tabs.List aria-label={t.tools}>
        {commands.map((c) => (
          <Tabs.Tab key={c.id} value={c.id}>
            {c.label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {commands.map((c) => (
        <Tabs.Panel key={c.id} value={c.id} pt="sm">
          <CodeBlock label={t.commandFor(c.label)} value={c.command} />
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}

function Hint({ byName }: { byName: boolean }) {
  const t = useText().content.pull;
  const hosts = useMay("hosts.read");
  const text = byName ? t.nameHint : plain() ? t.plainHint : t.addressHint;
  return (
    <Text size="sm" c="dimmed">
      {text}{" "}
      {hosts && (
        <Anchor component={Link} to="/hosts" underline="always">
          {t.toHosts}
        </Anchor>
      )}
    </Text>
  );
}

const plain = () => window.location.protocol === "http:";

// tools are what pulls images. What is pulled by its original name goes the way that
// the host is set up for; ctr has to be told where that is written.
function tools(name: string, byName: boolean): Command[] {
  const unsafe = (flag: string) => (plain() && !byName ? ` ${flag}` : "");
  const folder = byName ? " --hosts-dir /etc/containerd/certs.d" : "";
  return [
    { id: "kubernetes", label: "Kubernetes", command: `image: ${name}` },
    { id: "docker", label: "Docker", command: `docker pull ${name}` },
    { id: "podman", label: "Podman", command: `podman pull${unsafe("--tls-verify=false")} ${name}` },
    { id: "nerdctl", label: "nerdctl", command: `nerdctl pull${unsafe("--insecure-registry")} ${name}` },
    { id: "ctr", label: "ctr", command: `ctr images pull${unsafe("--plain-http")}${folder} ${name}` },
  ];
}

function helm(path: string, tag: string | undefined, digest: string): Command[] {
  const version = tag === undefined ? `@${digest}` : ` --version ${tag.replaceAll("_", "+")}`; // a plus is no sign of a tag
  return [{ id: "helm", label: "Helm", command: `helm pull oci://${path}${version}${plain() ? " --plain-http" : ""}` }];
}

// hasHost says whether a name begins with a registry's host, as Docker takes it.
export function hasHost(repository: string): boolean {
  const [host = "", ...rest] = repository.split("/");
  return rest.length > 0 && (/[.:A-Z]/.test(host) || host === "localhost");
}

// pathOf is the path under which a name is served: paths have no colon and no upper
// case.
export function pathOf(repository: string): string {
  const slash = repository.indexOf("/");
  const host = repository.slice(0, Math.max(0, slash));
  return /[:A-Z]/.test(host) ? host.toLowerCase().replaceAll(":", "_") + repository.slice(slash) : repository;
}
