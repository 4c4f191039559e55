import { Button, Group, List, Stack, ThemeIcon } from "@mantine/core";
import { Link } from "react-router";
import { useSession } from "../../api/session";
import { CheckIcon } from "../../components/icons";
import { useText } from "../../text";
import { StepBody } from "./Steps";

// Done ends the setup with one way on. Home says what comes first at a new site.
export function Done() {
  const t = useText().setup;
  const { name } = useSession();
  return (
    <StepBody title={t.doneTitle} about={t.doneAbout}>
      <Stack>
        <List
          spacing="xs"
          icon={
            <ThemeIcon size={22} radius="xl" color="teal" variant="light">
              <CheckIcon size={14} />
            </ThemeIcon>
          }
        >
          <List.Item>{t.doneAdmin(name)}</List.Item>
          <List.Item>{t.doneRest}</List.Item>
        </List>
        <Group>
          <Button component={Link} to="/" size="md">
            {t.openHome}
          </Button>
        </Group>
      </Stack>
    </StepBody>
  );
}
