import { Page } from "../../components/Page";
import { TokenPanel } from "../../components/Tokens";
import { useText } from "../../text";

// Robots are the tokens of programs; personal ones are with their users.
export default function Robots() {
  const t = useText().settings.tokens;
  return (
    <Page title={t.title} about={t.about}>
      <TokenPanel kind="robot" />
    </Page>
  );
}
