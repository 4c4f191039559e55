import { Alert } from "@mantine/core";
import { useSession } from "../../api/session";
import { Page } from "../../components/Page";
import { TokenPanel } from "../../components/Tokens";
import { useText } from "../../text";
import { ChangePassword } from "./ChangePassword";
import { Sessions } from "./Sessions";
import { You } from "./You";

// Account is what people do for themselves. What needs a session is there for who
// has one.
export default function Account() {
  const t = useText().account;
  const { kind, id, rights, hasPassword } = useSession();
  const own = kind === "user" && id && rights?.includes("tokens.own");
  return (
    <Page title={t.title} about={t.about}>
      {kind === "anonymous" ? <Alert color="blue" role="note">{t.noAccount}</Alert> : <You />}
      {hasPassword && <ChangePassword />}
      {own && <Sessions user={id} />}
      {own && <TokenPanel kind="personal" owner={id} />}
    </Page>
  );
}
