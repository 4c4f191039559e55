import { Box, Button, Checkbox, Group as Row, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schema } from "../../../api/client";
import { Trouble } from "../../../components/States";
import { useText } from "../../../text";
import { Field } from "./Field";
import { useDrafts, type Writing } from "./useDrafts";
import { asText, grouped, isSecret, type Group, type Variable } from "./values";

type Props = { reference: string; listing: Schema<"SitevaluesListing">; shown: Variable[]; groups: Group[] };

// ValuesForm lets one say values, all of which are saved at once or not at all.
export function ValuesForm({ reference, listing, shown, groups }: Props) {
  const t = useText();
  const words = t.clusters.values;
  const writing = useDrafts(reference, listing.revision, shown);
  const unknown = shown.filter((v) => v.state === "unknown");
  const sections = grouped(shown.filter((v) => v.state !== "unknown"), groups);
  return (
    <form
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        writing.save();
      }}
    >
      <Stack gap="lg">
        <Text size="sm" c="dimmed">
          {words.emptyMeans}
        </Text>
        {sections.map(([group, members]) => (
          <Section key={group?.name ?? ""} group={group} alone={sections.length === 1}>
            {members.map((v) => (
              <Field key={v.name} variable={v} writing={writing} locked={listing.locked && !!v.immutable} />
            ))}
          </Section>
        ))}
        {unknown.length > 0 && <Unknown list={unknown} writing={writing} />}
        {writing.rest && <Trouble error={writing.rest} title={writing.stale ? words.stale : undefined} />}
        <Row>
          <Button type="submit" disabled={!writing.changed} loading={writing.saving}>
            {t.common.save}
          </Button>
          {writing.changed && (
            <Button variant="default" onClick={writing.discard}>
              {words.discard}
            </Button>
          )}
        </Row>
      </Stack>
    </form>
  );
}

function Section({ group, alone, children }: { group?: Group; alone: boolean; children: ReactNode }) {
  const t = useText().clusters.values;
  const title = group ? group.title || group.name : alone ? undefined : t.others;
  return (
    <Box role="group" aria-label={title}>
      {title && <Title order={3}>{title}</Title>}
      {group?.description && (
        <Text size="sm" c="dimmed">
          {group.description}
        </Text>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} mt={title ? "xs" : 0} spacing="lg">
        {children}
      </SimpleGrid>
    </Box>
  );
}

// Unknown are values that this version has no variable for: they can only go.
function Unknown({ list, writing }: { list: Variable[]; writing: Writing }) {
  const t = useText().clusters.values;
  return (
    <Box role="group" aria-label={t.unknownTitle}>
      <Title order={3}>{t.unknownTitle}</Title>
      {list.map((v) => (
        <Box key={v.name} mt="xs">
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            <b>{v.name}</b> {isSecret(v) ? t.set : asText(v.value)}
          </Text>
          <Text size="sm" c="dimmed">
            {v.problem}
          </Text>
          <Checkbox mt={4} label={t.takeBack} aria-label={`${t.takeBack}: ${v.name}`} checked={writing.drafts[v.name] === null} onChange={(e) => writing.write(v.name, e.currentTarget.checked ? null : undefined)} />
        </Box>
      ))}
    </Box>
  );
}
