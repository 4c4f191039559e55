import { Code, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { Facts } from "../../../components/Facts";
import { Folded } from "../../../components/Folded";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "./artifact.module.css";
import type { Artifact } from "./index";

// Config is what the config of an image says of how it runs.
export function Config({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content.config;
  const f = useFormat();
  const c = a.image;
  if (!c) return null;
  const labels = Object.entries(c.labels);
  return (
    <Section title={t.title}>
      <Stack gap="md">
        <Facts
          items={[
            [t.platform, [c.os, c.architecture, c.variant].filter(Boolean).join("/")],
            [t.entrypoint, command(c.entrypoint)],
            [t.cmd, command(c.cmd)],
            [t.user, c.user || t.root],
            [t.workingDir, c.workingDir && <Code>{c.workingDir}</Code>],
            [t.environment, f.count(c.environment)],
            [t.ports, c.exposedPorts?.join(", ")],
            [t.volumes, c.volumes?.join(", ")],
            [t.author, c.author],
            [t.created, c.created && f.time(c.created)],
          ]}
        />
        {labels.length > 0 && (
          <Folded title={t.labels(f.count(labels.length))}>
            <Pairs pairs={labels} />
          </Folded>
        )}
      </Stack>
    </Section>
  );
}

function command(words: string[] | null): ReactNode {
  if (!words?.length) return undefined;
  return <Code style={{ overflowWrap: "anywhere" }}>{words.map((w) => (/[\s"']/.test(w) ? JSON.stringify(w) : w)).join(" ")}</Code>;
}

// Annotations are what the manifest says beside its parts.
export function Annotations({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content;
  const pairs = Object.entries(a.annotations);
  if (pairs.length === 0) return null;
  return (
    <Section title={t.annotations}>
      <Pairs pairs={pairs} />
    </Section>
  );
}

function Pairs({ pairs }: { pairs: [string, string][] }) {
  return <Facts items={pairs.map(([name, value]) => [name, <span key={name} className={classes.mono}>{value}</span>])} />;
}
