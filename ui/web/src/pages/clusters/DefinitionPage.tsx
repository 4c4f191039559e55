import { Alert, Anchor, Stack, Text } from "@mantine/core";
import { Link, useSearchParams } from "react-router";
import { ErrorIcon, ClusterIcon } from "../../components/icons";
import { Page } from "../../components/Page";
import { Empty, Shown } from "../../components/States";
import { useText } from "../../text";
import { About } from "./About";
import { Compare } from "./compare/Compare";
import { Gate } from "./gate/Gate";
import { Images } from "./images/Images";
import { Layers } from "./Layers";
import { useDefinition, useDefinitions, type Summary } from "./queries";
import { Values } from "./values/Values";

// DefinitionPage shows one definition: whether all is here, what the site says to it,
// and what is in it.
export function DefinitionPage() {
  const t = useText().clusters;
  const [params] = useSearchParams();
  const name = params.get("name") ?? "";
  const query = useDefinitions();
  const of = query.data?.find((d) => d.reference === name);
  return (
    <Page title={of ? `${of.name} ${of.version}` : name} path={[{ to: "/clusters", label: t.title }]}>
      <Shown query={query}>{(list) => (of ? <Parts key={of.reference} summary={of} others={list.filter((d) => d !== of && !d.problem)} /> : <Gone />)}</Shown>
    </Page>
  );
}

function Gone() {
  const t = useText().clusters;
  return (
    <Empty icon={<ClusterIcon />} title={t.gone} action={<Anchor component={Link} to="/clusters">{t.toList}</Anchor>}>
      {t.goneText}
    </Empty>
  );
}

function Parts({ summary, others }: { summary: Summary; others: Summary[] }) {
  const t = useText().clusters;
  if (summary.problem) {
    return (
      <Alert color="red" icon={<ErrorIcon />} title={t.unreadable} role="alert">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {summary.problem}
        </Text>
      </Alert>
    );
  }
  return (
    <Stack>
      <Gate summary={summary} />
      <Content summary={summary} />
      <Compare summary={summary} others={others} />
    </Stack>
  );
}

// Content is what the document says.
function Content({ summary }: { summary: Summary }) {
  const query = useDefinition(summary);
  return (
    <Shown query={query}>
      {({ definition }) => (
        <>
          <Values reference={summary.reference} groups={definition.groups ?? []} />
          <About summary={summary} definition={definition} />
          <Layers layers={definition.layers ?? []} />
          <Images reference={summary.reference} images={definition.images ?? []} />
        </>
      )}
    </Shown>
  );
}
