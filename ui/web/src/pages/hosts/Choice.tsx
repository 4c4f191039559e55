import { Alert, Radio, Group, Stack, TagsInput, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useState } from "react";
import { Failure } from "../../api/client";
import { WarningIcon } from "../../components/icons";
import { Section } from "../../components/Page";
import { Trouble } from "../../components/States";
import { useText } from "../../text";
import type { useChoice } from "./useChoice";
import { isLoopback, kindNames, kinds } from "./commands";

// Choice says for which hosts the files are. What is wrong with it is said at its field.
export function Choice({ choice, error }: { choice: ReturnType<typeof useChoice>; error: Error | null }) {
  const t = useText().hosts;
  const [registry, setRegistry] = useState(choice.registry);
  const [kind, setKind] = useState<string>(choice.kind); // the address follows a moment later
  const chooseKind = (value: string) => {
    setKind(value);
    choice.setKind(kinds.find((k) => k === value) ?? "containerd");
  };
  const tell = useDebouncedCallback((v: string) => choice.setRegistry(v.trim()), 300);
  const field = (name: string) => (error instanceof Failure ? error.field(name) : undefined);
  const elsewhere = error && !field("registry") && !field("upstream");
  return (
    <Section title={t.choose}>
      <Stack gap="sm">
        <Radio.Group label={t.kind} value={kind} onChange={chooseKind}>
          <Group mt={6} gap="md">
            {kinds.map((k) => (
              <Radio key={k} value={k} label={kindNames[k]} />
            ))}
          </Group>
        </Radio.Group>
        <TextInput
          label={t.registry}
          description={t.registryHint}
          value={registry}
          type="url"
          spellCheck={false}
          autoComplete="off"
          maw={520}
          error={field("registry")}
          onChange={(e) => {
            setRegistry(e.currentTarget.value);
            tell(e.currentTarget.value);
          }}
        />
        <TagsInput
          label={t.upstreams}
          description={t.upstreamsHint}
          placeholder={choice.upstreams.length === 0 ? t.upstreamsExample : undefined}
          value={choice.upstreams}
          onChange={choice.setUpstreams}
          splitChars={[",", " "]}
          maxTags={100}
          maw={520}
          error={field("upstream")}
        />
        <Doubts registry={choice.registry} />
        {elsewhere && <Trouble error={error} />}
      </Stack>
    </Section>
  );
}

function Doubts({ registry }: { registry: string }) {
  const t = useText().hosts;
  const doubt = isLoopback(registry) ? t.loopback : registry.startsWith("http://") ? t.plain : undefined;
  if (!doubt) return null;
  return (
    <Alert color="yellow" icon={<WarningIcon />}>
      {doubt}
    </Alert>
  );
}
