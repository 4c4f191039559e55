import { List, PasswordInput, Stack, Text, ThemeIcon, VisuallyHidden } from "@mantine/core";
import type { ChangeEvent, ReactNode } from "react";
import { useText } from "../text";
import { CheckIcon } from "./icons";

export type PasswordPair = { password: string; again: string };

// points are what a password needs, as far as a page can tell; the appliance knows
// more, like those that are guessed first.
function points(user: string, password: string) {
  const small = password.toLowerCase();
  const rest = user ? small.replaceAll(user.toLowerCase(), "") : small;
  return [
    { name: "long", met: [...password].length >= 12 },
    { name: "distinct", met: new Set(small).size >= 5 },
    { name: "notDigits", met: /[^0-9]/.test(password) },
    { name: "notName", met: password !== "" && (rest === small || rest.length >= 6) },
  ] as const;
}

// passwordRules are a form's checks of a new password, and of the same once more.
export function passwordRules<V extends PasswordPair>(words: { tooWeak: string; differs: string }, user: (values: V) => string) {
  return {
    password: (password: string, values: V) => (points(user(values), password).every((p) => p.met) ? null : words.tooWeak),
    again: (again: string, values: V) => (again === values.password ? null : words.differs),
  };
}

type Field = { value?: string; onChange?: (value: ChangeEvent<HTMLInputElement>) => void; error?: ReactNode };

// NewPassword asks for a password twice, and says what is missing while it is typed.
export function NewPassword(props: { label: string; user: string; value: string; password: Field; again: Field }) {
  const t = useText().account.password;
  return (
    <Stack gap="sm">
      <PasswordInput label={props.label} withAsterisk autoComplete="new-password" aria-describedby="password-needs" {...props.password} />
      <div id="password-needs">
        <Text size="sm" c="dimmed" mb={4}>
          {t.needs}
        </Text>
        <List size="sm" spacing={2} listStyleType="none">
          {points(props.user, props.value).map(({ name, met }) => (
            <List.Item key={name} icon={<Mark met={met} />}>
              {t[name]} <VisuallyHidden>({met ? t.met : t.missing})</VisuallyHidden>
            </List.Item>
          ))}
        </List>
        <Text size="sm" c="dimmed" mt={4}>
          {t.hint}
        </Text>
      </div>
      <PasswordInput label={t.again} withAsterisk autoComplete="new-password" {...props.again} />
    </Stack>
  );
}

// Mark is empty until a point is met: what is not typed yet is no fault.
function Mark({ met }: { met: boolean }) {
  return (
    <ThemeIcon size={18} radius="xl" variant={met ? "light" : "default"} color="teal">
      {met && <CheckIcon size={12} />}
    </ThemeIcon>
  );
}
