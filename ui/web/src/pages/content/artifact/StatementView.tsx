import { List, Stack, Text } from "@mantine/core";
import { Facts } from "../../../components/Facts";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "./artifact.module.css";
import type { Provenance, Statement } from "./statement";

// StatementView is what an attestation says, in short.
export function StatementView({ statement: s }: { statement: Statement }) {
  const t = useText().content.statement;
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t.about}
      </Text>
      <Facts
        items={[
          [t.predicateType, s.predicateType],
          [t.subjects, s.subjects.length > 0 && <Things key="subjects" things={s.subjects.map((o) => ({ name: o.name, digest: o.digest }))} />],
        ]}
      />
      {s.provenance && <ProvenanceFacts provenance={s.provenance} />}
    </Stack>
  );
}

function ProvenanceFacts({ provenance: p }: { provenance: Provenance }) {
  const t = useText().content.statement;
  const f = useFormat();
  return (
    <Facts
      items={[
        [t.builder, p.builder],
        [t.buildType, p.buildType],
        [t.started, p.started && f.time(p.started)],
        [t.finished, p.finished && f.time(p.finished)],
        [t.sources, p.sources.length > 0 && <Things key="sources" things={p.sources.map((o) => ({ name: o.uri, digest: o.digest }))} />],
      ]}
    />
  );
}

const shown = 50;

function Things({ things }: { things: { name: string; digest: string }[] }) {
  const t = useText().content.statement;
  const f = useFormat();
  return (
    <>
      <List size="sm" listStyleType="none">
        {things.slice(0, shown).map((o, k) => (
          <List.Item key={k}>
            {o.name}{" "}
            <span className={classes.mono} title={o.digest}>
              {o.digest.slice(0, 24)}
              {o.digest.length > 24 && "…"}
            </span>
          </List.Item>
        ))}
      </List>
      {things.length > shown && <Text size="sm">{t.andMore(f.count(things.length - shown))}</Text>}
    </>
  );
}
