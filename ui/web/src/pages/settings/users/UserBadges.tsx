import { Badge, Group } from "@mantine/core";
import type { Schema } from "../../../api/client";
import { useText } from "../../../text";

const colors = { viewer: "gray", operator: "blue", admin: "indigo" } as const;

// UserBadges say what a user is, in words.
export function UserBadges({ user }: { user: Schema<"User"> }) {
  const t = useText();
  const style = { textTransform: "none" } as const;
  return (
    <Group gap={4}>
      <Badge variant="light" color={colors[user.role]} style={style}>
        {t.shell.role[user.role]}
      </Badge>
      {user.restricted && (
        <Badge variant="outline" color="gray" style={style}>
          {t.settings.users.restrictedBadge}
        </Badge>
      )}
      {user.disabled && (
        <Badge variant="light" color="red" style={style}>
          {t.settings.users.disabledBadge}
        </Badge>
      )}
    </Group>
  );
}
