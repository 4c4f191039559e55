import { Menu, useMantineColorScheme, type MantineColorScheme } from "@mantine/core";
import { CheckIcon } from "../components/icons";
import { languages, useChooseLanguage, useLanguage, useText } from "../text";

const schemes: MantineColorScheme[] = ["light", "dark", "auto"];

// Appearance has a menu's items for the language and the colour scheme.
export function Appearance() {
  const t = useText().shell;
  const language = useLanguage();
  const choose = useChooseLanguage();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const mark = (chosen: boolean) => (chosen ? <CheckIcon size={16} /> : <span style={{ width: 16, display: "inline-block" }} />);
  return (
    <>
      <Menu.Label>{t.language}</Menu.Label>
      {languages.map((l) => (
        <Menu.Item key={l.id} lang={l.id} leftSection={mark(l.id === language)} onClick={() => choose(l.id)} closeMenuOnClick={false}>
          {l.name}
        </Menu.Item>
      ))}
      <Menu.Label>{t.appearance}</Menu.Label>
      {schemes.map((s) => (
        <Menu.Item key={s} leftSection={mark(s === colorScheme)} onClick={() => setColorScheme(s)} closeMenuOnClick={false}>
          {t.scheme[s]}
        </Menu.Item>
      ))}
    </>
  );
}
