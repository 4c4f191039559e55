import { Button, Group } from "@mantine/core";
import { Link } from "react-router";
import { useText } from "../../text";
import { steps, type Step } from "./Steps";

// Forward leads from a step to the ones beside it. With submit it belongs to a form,
// which keeps what was given and then goes on by itself.
export function Forward({ step, skip, submit, busy }: { step: Step; skip?: boolean; submit?: boolean; busy?: boolean }) {
  const t = useText();
  const at = steps.indexOf(step);
  const back = at > 1 ? steps[at - 1] : undefined; // the administrator is there already
  const label = skip ? t.setup.skip : t.common.next;
  return (
    <Group justify="space-between">
      {back ? (
        <Button variant="default" component={Link} to={`/setup/${back}`}>
          {t.common.back}
        </Button>
      ) : (
        <span />
      )}
      <Group gap="xs">
        <Button variant="subtle" component={Link} to="/">
          {t.setup.leave}
        </Button>
        {submit ? (
          <Button type="submit" loading={busy}>
            {label}
          </Button>
        ) : (
          <Button component={Link} to={after(step)} variant={skip ? "default" : "filled"}>
            {label}
          </Button>
        )}
      </Group>
    </Group>
  );
}

// after is where a step leads to.
export const after = (step: Step) => `/setup/${steps[steps.indexOf(step) + 1] ?? "done"}`;
