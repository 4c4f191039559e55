import { Alert, Button, Group, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "react-router";
import { ask, client, Failure } from "../../api/client";
import { useEnter } from "../../api/session";
import { NewPassword, passwordRules, type PasswordPair } from "../../components/NewPassword";
import { Trouble } from "../../components/States";
import { useText } from "../../text";
import { LinkForm, WhereLink } from "./NoLink";
import { StepBody, Steps } from "./Steps";

const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?$/;

type Values = { name: string } & PasswordPair;

// Administrator is the first step: it makes the first user, who is signed in by it.
// The steps after it are pages inside, so nothing has to be carried over.
export function Administrator({ secret }: { secret: string }) {
  const t = useText();
  const words = t.setup;
  const enter = useEnter();
  const navigate = useNavigate();
  const form = useForm<Values>({
    initialValues: { name: "", password: "", again: "" },
    validate: { name: (v) => (namePattern.test(v.trim()) ? null : words.nameWrong), ...passwordRules(t.account.password, (v: Values) => v.name) },
  });
  const make = useMutation({
    mutationFn: (v: Values) => ask(client.POST("/api/v1/setup", { body: { secret, name: v.name.trim(), password: v.password } })),
    onSuccess: (session) => {
      void navigate("/setup/site", { replace: true }); // the secret is of no use any more
      enter(session);
    },
  });
  if (make.error instanceof Failure && make.error.problem?.status === 403) return <BadLink detail={make.error.message} />;
  return (
    <Steps step="administrator">
      <StepBody title={words.adminTitle} about={words.adminAbout}>
        <form onSubmit={form.onSubmit((v) => make.mutate(v))} noValidate>
          <Stack maw={460}>
            <TextInput
              label={t.common.name}
              description={words.adminNameHint}
              withAsterisk
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
              {...form.getInputProps("name")}
            />
            <NewPassword label={t.account.password.first} user={form.values.name} value={form.values.password} password={form.getInputProps("password")} again={form.getInputProps("again")} />
            {make.error && <Trouble error={make.error} />}
            <Group>
              <Button type="submit" loading={make.isPending}>
                {words.makeAdmin}
              </Button>
            </Group>
          </Stack>
        </form>
      </StepBody>
    </Steps>
  );
}

// BadLink has the appliance's words on a secret that it does not take, and what to do.
function BadLink({ detail }: { detail: string }) {
  const t = useText().setup;
  return (
    <Steps step="administrator">
      <StepBody title={t.badLink} about={t.badLinkAct}>
        <Alert color="red" role="alert">
          {detail}
        </Alert>
        <LinkForm />
        <WhereLink />
      </StepBody>
    </Steps>
  );
}
