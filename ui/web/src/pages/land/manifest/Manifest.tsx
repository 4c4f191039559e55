import { Stack } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schema } from "../../../api/client";
import { Section } from "../../../components/Page";
import { useText } from "../../../text";
import { Arrivals } from "./Arrivals";
import { Missing } from "./Missing";
import { Room, Verdict } from "./Verdict";
import { What } from "./What";

// Manifest is all that is to be known of something before it lands. Below the verdict
// stands what can be done about it.
export function Manifest({ seen, from, children }: { seen: Schema<"Inspection">; from?: string; children?: ReactNode }) {
  const t = useText().land.review;
  return (
    <Stack>
      <Section title={t.verdict}>
        <Stack gap="sm">
          <Verdict seen={seen} />
          <Room seen={seen} />
        </Stack>
      </Section>
      {children}
      {seen.wants && <Missing wants={seen.wants} />}
      <Arrivals names={seen.names ?? []} />
      <Section title={t.facts}>
        <What seen={seen} from={from} />
      </Section>
    </Stack>
  );
}
