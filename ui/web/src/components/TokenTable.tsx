import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { ask, client, type Schema } from "../api/client";
import { useMay, useSession } from "../api/session";
import { useFormat } from "../format";
import { useText } from "../text";
import { useConfirm } from "./Confirm";
import { DataTable, type Column } from "./DataTable";
import { GrantList } from "./Grants";

type Token = Schema<"Token">;
type Told = (token: Schema<"ToldToken">) => void;

// endOf says how a token has ended, if it has.
export function endOf(token: Token): "revoked" | "expired" | undefined {
  if (token.revoked) return "revoked";
  return token.expires && Date.parse(token.expires) <= Date.now() ? "expired" : undefined;
}

// TokenTable shows tokens; onTold gets one that has another secret now.
export function TokenTable({ kind, rows, onTold }: { kind: Token["kind"]; rows: Token[]; onTold: Told }) {
  const t = useText();
  const f = useFormat();
  const words = t.account.tokens;
  const columns: Column<Token>[] = [
    {
      head: t.common.name,
      cell: (token) => (
        <>
          <Text fw={500} style={{ overflowWrap: "anywhere" }}>
            {token.name}
          </Text>
          <Text size="xs" c="dimmed">
            {words.made(f.date(token.created))}
          </Text>
        </>
      ),
    },
    { head: words.may, cell: (token) => <Allowed token={token} /> },
    { head: words.ends, cell: (token) => <End token={token} /> },
    {
      head: words.used,
      cell: (token) => (
        <Text size="sm">
          {token.last_used ? f.relative(token.last_used) : t.common.never}
          {token.last_address && (
            <Text span c="dimmed" size="sm">
              {" "}
              {words.from(token.last_address)}
            </Text>
          )}
        </Text>
      ),
    },
    { head: t.common.actions, end: true, cell: (token) => !endOf(token) && <TokenActions token={token} onTold={onTold} /> },
  ];
  return <DataTable label={words[kind].title} rows={rows} columns={columns} id={(token) => token.id} />;
}

// Allowed says what a token may do.
function Allowed({ token }: { token: Token }) {
  const t = useText();
  const words = t.account.tokens;
  const grants = token.grants ?? [];
  const role = token.role && words.upTo(t.account.role[token.role]);
  const all = token.kind === "personal" && !role && !token.rights?.length && grants.length === 0;
  return (
    <Stack gap={2}>
      {all && <Text size="sm">{words.likeUser}</Text>}
      {role && <Text size="sm">{role}</Text>}
      {!!token.rights?.length && <Text size="sm">{words.rightsOnly(token.rights.join(", "))}</Text>}
      {grants.length > 0 && <GrantList grants={grants} />}
    </Stack>
  );
}

const soon = 14 * 86_400_000;

function End({ token }: { token: Token }) {
  const t = useText();
  const f = useFormat();
  const words = t.account.tokens;
  const ended = endOf(token);
  if (ended) {
    return (
      <Badge color="gray" variant="light" style={{ textTransform: "none" }}>
        {words[ended]}
      </Badge>
    );
  }
  if (!token.expires) return <Text size="sm">{t.common.never}</Text>;
  const close = Date.parse(token.expires) - Date.now() < soon;
  return (
    <Text size="sm" title={f.time(token.expires)}>
      {f.date(token.expires)}
      {close && (
        <Text span size="sm" fw={600}>
          {" "}
          ({f.relative(token.expires)})
        </Text>
      )}
    </Text>
  );
}

function TokenActions({ token, onTold }: { token: Token; onTold: Told }) {
  const t = useText().account.tokens;
  const session = useSession();
  const confirm = useConfirm();
  const cache = useQueryClient();
  const mayRobots = useMay("tokens.write");
  const mayUsers = useMay("users.write");
  const path = { params: { path: { id: token.id } } };
  const changed = () => cache.invalidateQueries({ queryKey: ["tokens"] });
  const revoke = () =>
    confirm({
      title: t.revokeTitle(token.name),
      destroys: t.revokeText,
      action: t.revoke,
      act: async () => {
        await ask(client.DELETE("/api/v1/tokens/{id}", path));
        await changed();
      },
    });
  const renew = () =>
    confirm({
      title: t.renewTitle(token.name),
      destroys: t.renewText,
      action: t.renew,
      act: async () => {
        onTold(await ask(client.POST("/api/v1/tokens/{id}/renew", { ...path, body: {} })));
        await changed();
      },
    });
  const may = token.kind === "robot" ? mayRobots : token.owner === session.id || mayUsers;
  if (!may) return null;
  return (
    <Group gap={4} justify="flex-end" wrap="nowrap">
      {token.kind === "robot" && (
        <Button size="compact-sm" variant="subtle" onClick={renew} aria-label={`${t.renew}: ${token.name}`}>
          {t.renew}
        </Button>
      )}
      <Button size="compact-sm" variant="subtle" color="red" onClick={revoke} aria-label={`${t.revoke}: ${token.name}`}>
        {t.revoke}
      </Button>
    </Group>
  );
}
