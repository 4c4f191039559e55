import { Anchor, Box, Breadcrumbs, Card, Group, Stack, Text, Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import { Link } from "react-router";
import { useText } from "../text";

type PageProps = {
  title: string;
  // about says what the page is for, in a sentence or two.
  about?: ReactNode;
  actions?: ReactNode;
  // path is the way to the page, from its area down, without the page itself.
  path?: { to: string; label: string }[];
  // heading stands for the title where that has to look otherwise.
  heading?: ReactNode;
  children: ReactNode;
};

// Page is the frame of every page: its title is the document's, too.
export function Page({ title, about, actions, path = [], heading, children }: PageProps) {
  const t = useText();
  useEffect(() => {
    document.title = `${title} · ${t.common.appliance}`;
  }, [title, t]);
  return (
    <Stack gap="lg">
      <Box>
        {path.length > 0 && (
          <Breadcrumbs mb={4}>
            {path.map((p) => (
              <Anchor key={p.to} component={Link} to={p.to} size="sm">
                {p.label}
              </Anchor>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between" align="flex-start" gap="sm">
          <Title order={1} style={{ overflowWrap: "anywhere", minWidth: 0 }}>
            {heading ?? title}
          </Title>
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
        {about && (
          <Text c="dimmed" mt={4} maw={760} component="div">
            {about}
          </Text>
        )}
      </Box>
      {children}
    </Stack>
  );
}

type SectionProps = { title: string; about?: ReactNode; actions?: ReactNode; children: ReactNode };

// Section is a part of a page with a heading of its own.
export function Section({ title, about, actions, children }: SectionProps) {
  return (
    <Card component="section" aria-label={title}>
      <Group justify="space-between" align="flex-start" mb="sm" gap="xs">
        <Box style={{ minWidth: 0, flex: "1 1 16rem" }}>
          <Title order={2}>{title}</Title>
          {about && (
            <Text c="dimmed" size="sm" component="div">
              {about}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Card>
  );
}
