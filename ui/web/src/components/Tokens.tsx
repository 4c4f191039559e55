import { Button, Stack, Switch } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, type Schema } from "../api/client";
import { useMay, useSession } from "../api/session";
import { useText } from "../text";
import { KeyIcon, PlusIcon } from "./icons";
import { Section } from "./Page";
import { Empty, Shown } from "./States";
import { TokenDialog } from "./TokenDialog";
import { endOf, TokenTable } from "./TokenTable";
import { TokenTold } from "./TokenTold";

type Token = Schema<"Token">;
export type TokenKind = Token["kind"];

// TokenPanel lists the robots, or the personal tokens of a user, and makes and ends
// them. Personal tokens are made by their user only.
export function TokenPanel({ kind, owner }: { kind: TokenKind; owner?: string }) {
  const t = useText();
  const words = t.account.tokens[kind];
  const mayWrite = useMay("tokens.write");
  const mayOwn = useMay("tokens.own");
  const own = owner === useSession().id;
  const mayMake = kind === "robot" ? mayWrite : mayOwn && own;
  const [making, setMaking] = useState(false);
  const [told, setTold] = useState<Schema<"ToldToken">>();
  const make = mayMake && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => setMaking(true)}>
      {words.make}
    </Button>
  );
  return (
    <Section title={words.title} about={kind === "robot" || own ? words.about : t.account.tokens.others.about} actions={make}>
      <TokenList kind={kind} owner={owner} emptyText={kind === "robot" || own ? words.emptyText : t.account.tokens.others.emptyText} onTold={setTold} />
      {mayMake && <TokenDialog kind={kind} owner={owner} opened={making} onClose={() => setMaking(false)} onMade={setTold} />}
      <TokenTold token={told} onClose={() => setTold(undefined)} />
    </Section>
  );
}

function TokenList({ kind, owner, emptyText, onTold }: { kind: TokenKind; owner?: string; emptyText: string; onTold: (token: Schema<"ToldToken">) => void }) {
  const t = useText();
  const words = t.account.tokens;
  const [ended, setEnded] = useState(false);
  const query = useInfiniteQuery({
    queryKey: ["tokens", kind, owner],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: after }) => ask(client.GET("/api/v1/tokens", { params: { query: { owner, after, limit: 200 } } })),
    getNextPageParam: (page) => page.next,
  });
  return (
    <Shown query={query}>
      {({ pages }) => {
        const all = pages.flatMap((p) => p.items ?? []).sort((a, b) => b.created.localeCompare(a.created));
        const rows = ended ? all : all.filter((token) => !endOf(token));
        return (
          <Stack gap="sm">
            {rows.length < all.length || ended ? <Switch label={words.showEnded} checked={ended} onChange={(e) => setEnded(e.currentTarget.checked)} /> : null}
            {rows.length > 0 ? (
              <TokenTable kind={kind} rows={rows} onTold={onTold} />
            ) : (
              <Empty icon={<KeyIcon />} title={words[kind].empty}>
                {emptyText}
              </Empty>
            )}
            {query.hasNextPage && (
              <Button variant="default" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>
                {t.common.more}
              </Button>
            )}
          </Stack>
        );
      }}
    </Shown>
  );
}
