import { Button, Group, List, Stack, Text, TextInput, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useNavigate } from "react-router";
import { CodeBlock } from "../../components/Copy";
import { RefreshIcon } from "../../components/icons";
import { useText } from "../../text";
import { Outside } from "./Outside";

// NoLink says where the first start's link is, to who has come without.
export function NoLink() {
  const t = useText().setup;
  const cache = useQueryClient();
  return (
    <Outside title={t.first} width={620}>
      <Stack>
        <Title order={1}>{t.first}</Title>
        <Text>{t.noLink}</Text>
        <LinkForm />
        <WhereLink />
        <Group>
          <Button variant="default" leftSection={<RefreshIcon size={16} />} onClick={() => void cache.invalidateQueries({ queryKey: ["session"] })}>
            {t.lookAgain}
          </Button>
        </Group>
      </Stack>
    </Outside>
  );
}

// LinkForm takes the link where its address cannot be opened as it is.
export function LinkForm() {
  const t = useText().setup;
  const navigate = useNavigate();
  const [link, setLink] = useState("");
  const secret = link.trim().split("#").at(-1) ?? "";
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (secret) void navigate(`/setup#${encodeURIComponent(secret)}`);
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="sm">
        <TextInput label={t.link} description={t.linkHint} value={link} onChange={(e) => setLink(e.currentTarget.value)} autoComplete="off" spellCheck={false} style={{ flex: "1 1 16rem" }} />
        <Button type="submit" disabled={!secret}>
          {t.begin}
        </Button>
      </Group>
    </form>
  );
}

// WhereLink names the ways to a first administrator.
export function WhereLink() {
  const t = useText().setup;
  return (
    <List spacing="sm" styles={{ itemWrapper: { display: "block" } }}>
      <List.Item>
        {t.onConsole}
        <CodeBlock label={t.inJournal} value="journalctl -u landfall | grep /setup#" />
      </List.Item>
      <List.Item>
        {t.newLink}
        <CodeBlock label={t.restart} value="systemctl restart landfall" />
      </List.Item>
      <List.Item>
        {t.withoutLink}
        <CodeBlock label={t.addUser} value="landfall user add NAME --role admin" />
      </List.Item>
    </List>
  );
}
