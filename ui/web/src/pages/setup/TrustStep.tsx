import { Alert, Checkbox, Radio, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { askTagged, client } from "../../api/client";
import { Shown, Trouble } from "../../components/States";
import { useText } from "../../text";
import { Forward } from "./Forward";
import { AddKey, KeyList } from "./Keys";
import { noPolicy, read, write, type SimplePolicy } from "./policy";
import { StepBody } from "./Steps";

type Tagged = { text: string; etag: string };

// TrustStep asks whose bundles the site lets in. Each change is in force at once.
export function TrustStep() {
  const t = useText().setup;
  const query = useQuery({
    queryKey: ["trust", "policy", "tagged"],
    queryFn: async (): Promise<Tagged> => {
      const { data, etag } = await askTagged(client.GET("/api/v1/trust/policy"));
      return { text: data.text, etag };
    },
  });
  return (
    <StepBody title={t.trustTitle} about={t.trustAbout}>
      <Shown query={query}>{(document) => <PolicyForm document={document} />}</Shown>
    </StepBody>
  );
}

function useSave(etag: string) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (policy: SimplePolicy) => askTagged(client.PUT("/api/v1/trust/policy", { params: { header: { "If-Match": etag } }, body: { text: write(policy) } })),
    onSettled: () => cache.invalidateQueries({ queryKey: ["trust"] }),
  });
}

function PolicyForm({ document }: { document: Tagged }) {
  const t = useText().setup;
  const save = useSave(document.etag);
  const policy = read(document.text);
  if (!policy) {
    return (
      <>
        <Alert color="blue" role="note">{t.otherPolicy}</Alert>
        <Forward step="trust" />
      </>
    );
  }
  const { keys } = policy;
  const set = async (change: Partial<SimplePolicy>) => void (await save.mutateAsync({ ...policy, ...change }));
  return (
    <Stack>
      {keys.length === 0 ? <Alert color="blue" role="note">{t.noKeys}</Alert> : <KeyList onRemove={(k) => set({ keys: keys.filter((_, i) => i !== k) })} keys={keys} />}
      <AddKey onAdd={(key) => set({ keys: [...keys, key] })} />
      {keys.length > 0 && <Rules policy={policy} busy={save.isPending} set={(change) => save.mutate({ ...policy, ...change })} />}
      {save.error && <Trouble error={save.error} />}
      <Forward step="trust" skip={keys.length === 0} />
    </Stack>
  );
}

// Rules say what may come without a signature of one of the keys.
function Rules({ policy, busy, set }: { policy: SimplePolicy; busy: boolean; set: (change: Partial<SimplePolicy>) => void }) {
  const t = useText().setup;
  return (
    <Stack gap="sm">
      <Radio.Group label={t.unsigned} value={policy.unsigned} onChange={(v) => set({ unsigned: v === "allow" ? "allow" : noPolicy.unsigned })}>
        <Stack gap="xs" mt="xs">
          <Radio value="refuse" label={t.signedOnly} description={t.signedOnlyHint} disabled={busy} />
          <Radio value="allow" label={t.unsignedToo} description={t.unsignedTooHint} disabled={busy} />
        </Stack>
      </Radio.Group>
      <Checkbox
        label={t.noPushes}
        description={t.noPushesHint}
        checked={policy.pushes === "refuse"}
        disabled={busy}
        onChange={(e) => set({ pushes: e.currentTarget.checked ? "refuse" : "allow" })}
      />
      <Text size="sm" c="dimmed">
        {t.moreRules}
      </Text>
    </Stack>
  );
}
