import { Button, Collapse, Group, Modal, MultiSelect, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ask, client, Failure, type Schema } from "../api/client";
import { useSession } from "../api/session";
import { useFormat } from "../format";
import { useText, type Dictionary } from "../text";
import { GrantsEditor, type Grant } from "./Grants";
import { Trouble } from "./States";

type Told = Schema<"ToldToken">;
type Kind = Told["kind"];
type Role = NonNullable<Told["role"]>;
type Props = { kind: Kind; owner?: string; onMade: (token: Told) => void; onClose: () => void };

const roles: Role[] = ["viewer", "operator", "admin"];
const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9])?$/;
const day = 86_400_000;
const lives = [7, 30, 90, 180, 365]; // in days; a personal token may not last longer

type Values = { name: string; life: string; until: string; role: string; rights: string[]; grants: Grant[] };

// TokenDialog asks what a new token is for, and makes it.
export function TokenDialog({ opened, ...props }: Props & { opened: boolean }) {
  const t = useText().account.tokens;
  return (
    <Modal opened={opened} onClose={props.onClose} title={t[props.kind].makeTitle} size="lg" keepMounted={false}>
      <TokenForm {...props} />
    </Modal>
  );
}

// check finds what the appliance would refuse anyway.
function check(t: Dictionary, kind: Kind) {
  const words = t.account.tokens;
  return {
    name: (name: string) => (namePattern.test(name) ? null : words.nameWrong),
    until: (until: string, v: Values) => (v.life !== "day" || Date.parse(until) > Date.now() ? null : words.untilWrong),
    role: (role: string, v: Values) => (kind === "robot" && !role && v.rights.length + v.grants.length === 0 ? words.robotIdle : null),
    grants: (list: Grant[]) => (list.every((g) => g.actions?.length) ? null : words.grantIdle),
  };
}

// expiry is when a token ends that lives so long: a day that is named counts whole.
function expiry({ life, until }: Values): string | undefined {
  if (life === "never") return undefined;
  const end = life === "day" ? new Date(`${until}T23:59:59`) : new Date(Date.now() + Number(life) * day);
  return end.toISOString();
}

function useMake({ kind, owner, onMade, onClose }: Props) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (v: Values) => {
      const role = roles.find((r) => r === v.role);
      return ask(client.POST("/api/v1/tokens", { body: { name: v.name, owner: kind === "personal" ? owner : undefined, role, rights: v.rights, grants: v.grants, expires: expiry(v) } }));
    },
    onSuccess: async (token) => {
      onClose();
      onMade(token);
      await cache.invalidateQueries({ queryKey: ["tokens"] });
    },
  });
}

function TokenForm(props: Props) {
  const t = useText();
  const words = t.account.tokens;
  const { kind, onClose } = props;
  const make = useMake(props);
  const form = useForm<Values>({ initialValues: { name: "", life: "90", until: "", role: "", rights: [], grants: [] }, validate: check(t, kind) });
  const fault = make.error instanceof Failure ? make.error.field("name") : undefined;
  return (
    <form onSubmit={form.onSubmit((v) => make.mutate(v))} noValidate>
      <Stack>
        <TextInput label={t.common.name} description={words[kind].nameHint} withAsterisk autoComplete="off" spellCheck={false} data-autofocus {...form.getInputProps("name")} error={form.errors.name ?? fault} />
        <Lifetime kind={kind} form={form} />
        <RoleSelect kind={kind} form={form} />
        <GrantsEditor label={words.grants} about={words[kind].grantsHint} value={form.values.grants} onChange={(g) => form.setFieldValue("grants", g)} error={form.errors.grants?.toString()} />
        <SingleRights form={form} />
        {make.error && !fault && <Trouble error={make.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button type="submit" loading={make.isPending}>
            {words[kind].make}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

type Form = Pick<ReturnType<typeof useForm<Values>>, "values" | "getInputProps">;

function Lifetime({ kind, form }: { kind: Kind; form: Form }) {
  const words = useText().account.tokens;
  const f = useFormat();
  const choices = lives.map((n) => ({ value: String(n), label: words.days(n, f.date(Date.now() + n * day)) }));
  const never = kind === "robot" ? [{ value: "never", label: words.neverEnds }] : [];
  return (
    <Group align="flex-start" grow preventGrowOverflow={false}>
      <Select label={words.ends} allowDeselect={false} data={[...choices, { value: "day", label: words.onDay }, ...never]} {...form.getInputProps("life")} />
      {form.values.life === "day" && <TextInput type="date" label={words.lastDay} withAsterisk {...form.getInputProps("until")} />}
    </Group>
  );
}

// RoleSelect offers the roles that its user has: nobody gives more.
function RoleSelect({ kind, form }: { kind: Kind; form: Form }) {
  const t = useText();
  const words = t.account.tokens;
  const session = useSession();
  const own = roles.findIndex((r) => r === session.role);
  const offered = roles.slice(0, own + 1).map((r) => ({ value: r, label: t.account.role[r] }));
  return (
    <Select
      label={words[kind].role}
      description={words[kind].roleHint}
      allowDeselect={false}
      data={[{ value: "", label: words[kind].noRole }, ...offered]}
      {...form.getInputProps("role")}
    />
  );
}

function SingleRights({ form }: { form: Form }) {
  const words = useText().account.tokens;
  const session = useSession();
  const [opened, { toggle }] = useDisclosure();
  return (
    <div>
      <Button variant="subtle" size="compact-sm" onClick={toggle} aria-expanded={opened}>
        {words.single}
      </Button>
      <Collapse expanded={opened}>
        <MultiSelect mt="xs" label={words.rights} description={words.rightsHint} data={session.rights ?? []} searchable clearable {...form.getInputProps("rights")} />
      </Collapse>
    </div>
  );
}
