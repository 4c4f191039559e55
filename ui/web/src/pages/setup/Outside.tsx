import { ActionIcon, Box, Card, Group, Menu, Stack } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import { SettingsIcon } from "../../components/icons";
import { Appearance } from "../../shell/Appearance";
import { Brand } from "../../shell/Brand";
import { useText } from "../../text";

// Outside is the frame of pages that have no navigation around them.
export function Outside({ title, site, width = 420, children }: { title: string; site?: string; width?: number; children: ReactNode }) {
  const t = useText();
  useEffect(() => {
    document.title = `${title} · ${site || t.common.appliance}`;
  }, [title, site, t]);
  return (
    <Stack mih="100dvh" gap="lg" p="md">
      <Group component="header" justify="space-between" wrap="nowrap">
        <Group gap="sm" wrap="nowrap" miw={0}>
          <Brand site={site} />
        </Group>
        <Menu position="bottom-end" width={220} withinPortal={false}>
          <Menu.Target>
            <ActionIcon variant="default" size="lg" radius="xl" aria-label={t.setup.look}>
              <SettingsIcon />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Appearance />
          </Menu.Dropdown>
        </Menu>
      </Group>
      <Box component="main" w="100%" maw={width} mx="auto" my="auto" pb="xl">
        <Card padding="xl" shadow="sm">
          {children}
        </Card>
      </Box>
    </Stack>
  );
}
