import { Anchor, Button, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { useMay } from "../../api/session";
import { CodeBlock } from "../../components/Copy";
import { ContentIcon, SearchIcon } from "../../components/icons";
import { Empty } from "../../components/States";
import { useText } from "../../text";

// NothingHere says why a list of content is empty, and how it gets filled.
export function NothingHere({ asked, clear }: { asked: string; clear: () => void }) {
  const t = useText();
  const land = useMay("bundles.write");
  const push = useMay("content.write");
  if (asked) {
    return (
      <Empty icon={<SearchIcon />} title={t.content.notFound(asked)} action={<Button variant="default" onClick={clear}>{t.content.showAll}</Button>}>
        {t.content.notFoundText}
      </Empty>
    );
  }
  return (
    <Empty
      icon={<ContentIcon />}
      title={t.content.empty}
      action={
        land && (
          <Button component={Link} to="/land">
            {t.content.land}
          </Button>
        )
      }
    >
      <Stack gap="sm" ta="start">
        <Text size="sm">{t.content.emptyText}</Text>
        {push && <CodeBlock label={t.content.pushLabel} value={pushCommands(window.location.host)} />}
        {!land && <Text size="sm">{t.content.emptyAsk}</Text>}
        {push && (
          <Text size="sm">
            {t.content.pushHint}{" "}
            <Anchor component={Link} to="/hosts" underline="always">
              {t.content.toHosts}
            </Anchor>
          </Text>
        )}
      </Stack>
    </Empty>
  );
}

const pushCommands = (host: string) => `docker login ${host}\ndocker tag alpine:3.22 ${host}/docker.io/library/alpine:3.22\ndocker push ${host}/docker.io/library/alpine:3.22`;
