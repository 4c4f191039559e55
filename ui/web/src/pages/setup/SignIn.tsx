import { Alert, Button, Divider, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState, type KeyboardEvent } from "react";
import { useLocation } from "react-router";
import { ask, client, Failure } from "../../api/client";
import { useEnter, type Session } from "../../api/session";
import { Trouble } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { Outside } from "./Outside";
import { useCountdown } from "./useCountdown";

// SignIn lets in who is known here. The address stays: one comes out where one
// wanted to go.
export function SignIn({ session }: { session: Session }) {
  const t = useText().setup;
  const { pathname, search, hash } = useLocation();
  const to = encodeURIComponent(pathname + search);
  return (
    <Outside title={t.signIn} site={session.siteName}>
      <Stack>
        <Title order={1}>{session.siteName ? t.signInAt(session.siteName) : t.signIn}</Title>
        {session.banner && (
          <Text component="div" size="sm" role="note" aria-label={t.banner} style={{ whiteSpace: "pre-line", overflowWrap: "anywhere" }}>
            {session.banner}
          </Text>
        )}
        {pathname === "/setup" && hash && <Alert color="blue" role="note">{t.linkUsed}</Alert>}
        <Password />
        {session.oidc && (
          <>
            <Divider label={t.or} />
            <Button component="a" href={`/auth/oidc/login?to=${to}`} variant="default">
              {t.oidc}
            </Button>
          </>
        )}
        <Text size="sm" c="dimmed">
          {t.forgotten}
        </Text>
      </Stack>
    </Outside>
  );
}

function Password() {
  const t = useText().setup;
  const common = useText().common;
  const enter = useEnter();
  const field = useRef<HTMLInputElement>(null);
  const [caps, setCaps] = useState(false);
  const [wait, startWait] = useCountdown();
  const form = useForm({
    initialValues: { name: "", password: "" },
    validate: { name: (v) => (v ? null : t.nameMissing), password: (v) => (v ? null : t.passwordMissing) },
  });
  const signIn = useMutation({
    mutationFn: (body: { name: string; password: string }) => ask(client.POST("/api/v1/session", { body })),
    onSuccess: enter,
    onError: (error) => {
      if (error instanceof Failure) startWait(error.after);
      field.current?.select();
    },
  });
  const onKeyUp = (e: KeyboardEvent) => setCaps(e.getModifierState("CapsLock"));
  return (
    <form onSubmit={form.onSubmit((v) => signIn.mutate({ ...v, name: v.name.trim() }))} noValidate>
      <Stack>
        <TextInput label={common.name} autoComplete="username" autoCapitalize="none" spellCheck={false} autoFocus {...form.getInputProps("name")} />
        <PasswordInput ref={field} label={t.password} description={caps ? t.capsLock : undefined} autoComplete="current-password" onKeyUp={onKeyUp} {...form.getInputProps("password")} />
        {signIn.error && !signIn.isPending && <WhyNot error={signIn.error} wait={wait} />}
        <Button type="submit" loading={signIn.isPending} disabled={wait > 0}>
          {t.signIn}
        </Button>
      </Stack>
    </form>
  );
}

// WhyNot says why somebody was not let in.
function WhyNot({ error, wait }: { error: Error; wait: number }) {
  const t = useText().setup;
  const f = useFormat();
  const status = error instanceof Failure ? error.problem?.status : undefined;
  if (status === 401) {
    return (
      <Alert color="red" role="alert" title={t.wrong}>
        {t.wrongText}
      </Alert>
    );
  }
  if (status === 429) {
    return (
      <Alert color="orange" role="alert" title={t.tooMany}>
        {t.tooManyText} {wait > 0 ? <span aria-live="off">{t.waitFor(f.duration(wait))}</span> : t.nowAgain}
      </Alert>
    );
  }
  return <Trouble error={error} />;
}
