import { Alert, Card, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { Facts } from "../../../components/Facts";
import { GrantList } from "../../../components/Grants";
import { Page, Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { TokenPanel } from "../../../components/Tokens";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { Sessions } from "./Sessions";
import { UserActions } from "./UserActions";
import { UserBadges } from "./UserBadges";

type User = Schema<"User">;

// UserPage shows one user.
export function UserPage() {
  const t = useText().settings.users;
  const { id = "" } = useParams();
  const may = useMay("users.write");
  const query = useQuery({ queryKey: ["users", id], queryFn: () => ask(client.GET("/api/v1/users/{id}", { params: { path: { id } } })) });
  return (
    <Page title={query.data?.name ?? t.user} path={[{ to: "/settings/users", label: t.title }]} about={query.data?.display} actions={may && query.data && <UserActions user={query.data} />}>
      <Shown query={query}>{(user) => <Parts user={user} />}</Shown>
    </Page>
  );
}

function Parts({ user }: { user: User }) {
  const t = useText().settings.users;
  return (
    <>
      {user.disabled && <Alert color="yellow">{t.isDisabled}</Alert>}
      <Card>
        <UserFacts user={user} />
      </Card>
      <Grants user={user} />
      <Sessions user={user} />
      <TokenPanel kind="personal" owner={user.id} />
    </>
  );
}

function UserFacts({ user }: { user: User }) {
  const t = useText();
  const f = useFormat();
  const words = t.settings.users;
  return (
    <Facts
      items={[
        [words.role, <UserBadges user={user} key="role" />],
        [words.signsIn, user.has_password ? words.byPassword : words.byProvider],
        [words.provider, user.issuer],
        [words.subject, user.subject],
        [words.lastLogin, user.last_login ? f.time(user.last_login) : t.common.never],
        [words.passwordChanged, user.password_changed && f.time(user.password_changed)],
        [words.created, f.time(user.created)],
      ]}
    />
  );
}

function Grants({ user }: { user: User }) {
  const t = useText().settings.users;
  const grants = user.grants ?? [];
  if (grants.length === 0 && !user.restricted) return null;
  return (
    <Section title={t.grants} about={user.restricted ? t.restrictedAbout : t.grantsAbout}>
      {grants.length === 0 && <Text c="dimmed" size="sm">{t.noGrants}</Text>}
      <GrantList grants={grants} />
    </Section>
  );
}
