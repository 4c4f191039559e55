import { Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { Digest } from "../../../components/Copy";
import { Facts } from "../../../components/Facts";
import { Section } from "../../../components/Page";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { KindBadge } from "../Kind";
import { artifactPath, byDigest, shortDigest, splitName } from "../names";
import classes from "./artifact.module.css";
import type { Artifact } from "./index";

// About are the facts of an artifact.
export function About({ artifact: a }: { artifact: Artifact }) {
  const t = useText();
  const f = useFormat();
  const { tag } = splitName(a.name);
  return (
    <Section title={t.content.facts}>
      <Stack gap="md">
        <Facts
          items={[
            [t.common.kind, <KindBadge key="kind" kind={a.kind} />],
            [t.content.digest, <Digest key="digest" value={a.digest} length={16} />],
            [t.content.arrived, a.arrived && f.time(a.arrived)],
            [t.content.belongsTo, a.subject && <ToDigest key="subject" repository={a.repository} digest={a.subject} />],
            [t.content.otherTags, <OtherTags key="tags" artifact={a} tag={tag} />],
            [t.content.artifactType, a.artifactType],
            [t.content.mediaType, a.mediaType],
            [t.content.leased, a.leased && t.content.leasedText],
          ]}
        />
        <Sizes artifact={a} />
      </Stack>
    </Section>
  );
}

// ToDigest leads to a manifest of the same repository.
export function ToDigest({ repository, digest }: { repository: string; digest: string }) {
  return (
    <Link to={artifactPath(byDigest(repository, digest))} className={classes.digest} title={digest}>
      {shortDigest(digest)}
    </Link>
  );
}

function OtherTags({ artifact: a, tag }: { artifact: Artifact; tag: string | undefined }) {
  const t = useText();
  const others = (a.tags ?? []).filter((o) => o.name !== tag);
  if (others.length === 0) return t.common.none;
  return (
    <Group gap="xs">
      {others.map((o) => (
        <Link key={o.name} to={artifactPath(`${a.repository}:${o.name}`)} className={classes.link}>
          {o.name}
        </Link>
      ))}
    </Group>
  );
}

// Sizes says what room it takes, and how much of that would be free without it.
function Sizes({ artifact: a }: { artifact: Artifact }) {
  const t = useText().content;
  const f = useFormat();
  const whole = a.uniqueBytes + a.sharedBytes;
  return (
    <Stack gap={4}>
      <Text size="sm">
        <strong>{f.bytes(a.bytes)}</strong> {t.inAll}
      </Text>
      {whole > 0 && (
        <div className={classes.bar} aria-hidden="true">
          <span style={{ flexGrow: a.uniqueBytes }} data-part="unique" />
          <span style={{ flexGrow: a.sharedBytes }} data-part="shared" />
        </div>
      )}
      <Text size="sm" c="dimmed">
        <span className={classes.key} data-part="unique" /> {t.unique(f.bytes(a.uniqueBytes))} <span className={classes.key} data-part="shared" /> {t.shared(f.bytes(a.sharedBytes))}
      </Text>
    </Stack>
  );
}
