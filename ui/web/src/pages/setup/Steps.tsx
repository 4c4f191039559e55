import { Stack, Stepper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";
import { useText } from "../../text";
import { Outside } from "./Outside";

// The steps of the setup, in their order. All but the first have an address of their
// own inside, so that a reload comes back to where one was.
export const steps = ["administrator", "site", "tls", "trust"] as const;
export type Step = (typeof steps)[number];

// Steps shows a step among the others. Without one, all are done.
export function Steps({ step, site, children }: { step?: Step; site?: string; children: ReactNode }) {
  const t = useText().setup;
  const navigate = useNavigate();
  const at = step ? steps.indexOf(step) : steps.length;
  return (
    <Outside title={t.title} site={site} width={820}>
      <Stack gap="lg">
        <div>
          <Title order={1}>{t.title}</Title>
          {step && <Text c="dimmed">{t.about}</Text>}
        </div>
        <Stepper active={at} onStepClick={(k) => void navigate(`/setup/${steps[k]}`)} size="sm" aria-label={t.steps}>
          {steps.map((s, k) => (
            <Stepper.Step key={s} label={t.step[s]} allowStepSelect={at > 0 && k > 0 && k !== at} aria-current={k === at ? "step" : undefined} />
          ))}
        </Stepper>
        {children}
      </Stack>
    </Outside>
  );
}

// StepBody is what a step asks for, with its heading.
export function StepBody({ title, about, children }: { title: string; about: ReactNode; children: ReactNode }) {
  return (
    <Stack component="section" aria-label={title}>
      <div>
        <Title order={2}>{title}</Title>
        <Text c="dimmed" size="sm">
          {about}
        </Text>
      </div>
      {children}
    </Stack>
  );
}
