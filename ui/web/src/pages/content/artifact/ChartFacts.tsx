import { List, Text } from "@mantine/core";
import { useMemo } from "react";
import { Facts } from "../../../components/Facts";
import { useText } from "../../../text";
import { parse, record, records, text } from "./json";

// ChartFacts are what a Helm chart says of itself: its Chart.yaml, which the config
// has as JSON.
export function ChartFacts({ content }: { content: string }) {
  const t = useText().content;
  const c = useMemo(() => record(parse(content)), [content]);
  if (!c) return <Text size="sm">{t.documentUnknown}</Text>;
  const dependencies = records(c.dependencies);
  return (
    <Facts
      items={[
        [t.chart.name, text(c.name)],
        [t.chart.version, text(c.version)],
        [t.chart.appVersion, text(c.appVersion)],
        [t.chart.description, text(c.description)],
        [t.chart.type, text(c.type)],
        [t.chart.kubeVersion, text(c.kubeVersion)],
        [t.chart.home, text(c.home)],
        [t.chart.deprecated, c.deprecated === true && t.chart.deprecatedText],
        [t.chart.maintainers, records(c.maintainers).flatMap((m) => [text(m.name), text(m.email)].filter(Boolean).join(" ") || []).join(", ")],
        [
          t.chart.dependencies,
          dependencies.length > 0 && (
            <List size="sm" listStyleType="none">
              {dependencies.map((d, k) => (
                <List.Item key={k}>{[text(d.name), text(d.version), text(d.repository)].filter(Boolean).join(" · ")}</List.Item>
              ))}
            </List>
          ),
        ],
      ]}
    />
  );
}
