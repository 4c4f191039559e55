import { Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schema } from "../../api/client";
import { CodeBlock } from "../../components/Copy";
import { Facts } from "../../components/Facts";
import { Folded } from "../../components/Folded";
import { Names } from "../../components/Names";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { fieldsOf, isObject, listOf, numberOf, textOf, textsOf, type Fields } from "../../narrow";
import { useText } from "../../text";

type Job = Schema<"Job">;

// JobAsked says what a job was asked for.
export function JobAsked({ job }: { job: Job }) {
  const t = useText().jobs;
  const asked = useAsked();
  if (!isObject(job.args)) return null;
  const args = fieldsOf(job.args);
  const items = asked(args);
  return (
    <Section title={t.args}>
      <Stack gap="sm">
        {items.length > 0 ? <Facts items={items} /> : <Text size="sm">{t.nothingAsked}</Text>}
        {items.length > 0 && (
          <Folded title={t.asJson}>
            <CodeBlock value={JSON.stringify(job.args, null, 2)} label={t.args} maxHeight={300} />
          </Folded>
        )}
      </Stack>
    </Section>
  );
}

// useAsked makes arguments facts, each by its label. What has none is in the JSON.
function useAsked() {
  const t = useText();
  const f = useFormat();
  const place = (source: Fields) => {
    if (source.upload) return t.jobs.fromUpload(textOf(source.upload));
    if (source.drive) return t.jobs.fromDrive(textOf(source.file), textOf(source.drive));
    return textOf(source.path);
  };
  const value = (key: string, x: unknown): ReactNode => {
    if (key === "source") return place(fieldsOf(x));
    if (key === "keys") return t.jobs.keyCount(f.count(listOf(x).length));
    if (key === "names") return <Names names={textsOf(x)} />;
    if (key === "rate") return numberOf(x) > 0 && f.rate(numberOf(x));
    if (key === "trigger") return t.mirrors.trigger[textOf(x)] ?? textOf(x);
    if (key === "at" && textOf(x)) return f.time(textOf(x));
    if (Array.isArray(x)) return f.list(textsOf(x));
    if (typeof x === "boolean") return x && t.common.yes;
    return typeof x === "number" ? f.count(x) : textOf(x);
  };
  return (args: Fields) => Object.entries(args).flatMap(([key, x]): [string, ReactNode][] => {
    const label = t.jobs.arg[key];
    const shown = label ? value(key, x) : undefined;
    return label && shown ? [[label, shown]] : [];
  });
}
