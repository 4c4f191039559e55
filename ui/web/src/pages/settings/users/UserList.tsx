import { Anchor, Button, Card, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { DataTable, type Column } from "../../../components/DataTable";
import { PlusIcon, UserIcon } from "../../../components/icons";
import { Page } from "../../../components/Page";
import { Paged } from "../../../components/Paged";
import { Empty } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { AddUser } from "./AddUser";
import { UserBadges } from "./UserBadges";

type User = Schema<"User">;

// UserList lists users by name.
export function UserList() {
  const t = useText();
  const may = useMay("users.write");
  const [adding, setAdding] = useState(false);
  const query = useInfiniteQuery({
    queryKey: ["users", "list"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: after }) => ask(client.GET("/api/v1/users", { params: { query: { after, limit: 100 } } })),
    getNextPageParam: (page) => page.next,
  });
  const add = may && (
    <Button leftSection={<PlusIcon size={16} />} onClick={() => setAdding(true)}>
      {t.settings.users.add}
    </Button>
  );
  return (
    <Page title={t.settings.users.title} about={t.settings.users.about} actions={add}>
      <Card>
        <Paged query={query} none={null}>
          {(rows) => <UserTable rows={rows} />}
        </Paged>
      </Card>
      {may && <AddUser opened={adding} close={() => setAdding(false)} />}
    </Page>
  );
}

function UserTable({ rows }: { rows: User[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<User>[] = [
    {
      head: t.common.name,
      cell: (u) => (
        <>
          <Anchor component={Link} to={`/settings/users/${u.id}`} style={{ overflowWrap: "anywhere" }}>
            {u.name}
          </Anchor>
          {u.display && (
            <Text size="sm" c="dimmed">
              {u.display}
            </Text>
          )}
        </>
      ),
    },
    { head: t.settings.users.role, cell: (u) => <UserBadges user={u} /> },
    { head: t.settings.users.signsIn, cell: (u) => <Text size="sm">{u.has_password ? t.settings.users.byPassword : t.settings.users.byProvider}</Text>, wide: true },
    { head: t.settings.users.lastLogin, cell: (u) => <Text size="sm">{u.last_login ? f.time(u.last_login) : t.common.never}</Text> },
  ];
  if (rows.length === 0) {
    return (
      <Empty icon={<UserIcon />} title={t.settings.users.none}>
        {t.settings.users.noneText}
      </Empty>
    );
  }
  return <DataTable label={t.settings.users.title} rows={rows} columns={columns} id={(u) => u.id} />;
}
