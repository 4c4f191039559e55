import { Button } from "@mantine/core";
import { Link } from "react-router";
import { Page } from "../components/Page";
import { Empty } from "../components/States";
import { useText } from "../text";

// NotFound is shown for an address that is none.
export function NotFound() {
  const t = useText().shell;
  return (
    <Page title={t.notFound}>
      <Empty title={t.notFound} action={<Button component={Link} to="/">{t.toHome}</Button>}>
        {t.notFoundText}
      </Empty>
    </Page>
  );
}
