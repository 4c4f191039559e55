import { Anchor, Button, List, Stack } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { useMay } from "../api/session";
import { useFormat } from "../format";
import { useText } from "../text";

// NameLink leads to what a name stands for, for those who may look at it.
export function NameLink({ name }: { name: string }) {
  const may = useMay("content.read");
  const style = { overflowWrap: "anywhere" } as const;
  if (!may) return <span style={style}>{name}</span>;
  return (
    <Anchor component={Link} to={`/content/a?name=${encodeURIComponent(name)}`} style={style}>
      {name}
    </Anchor>
  );
}

const few = 12;

// Names is a list of names, of which the first few are shown at first.
export function Names({ names }: { names: string[] }) {
  const t = useText();
  const f = useFormat();
  const [all, setAll] = useState(false);
  return (
    <Stack gap="xs" align="flex-start">
      <List size="sm">
        {(all ? names : names.slice(0, few)).map((n) => (
          <List.Item key={n}>
            <NameLink name={n} />
          </List.Item>
        ))}
      </List>
      {!all && names.length > few && (
        <Button size="xs" variant="default" onClick={() => setAll(true)}>
          {t.common.showAll(f.count(names.length))}
        </Button>
      )}
    </Stack>
  );
}
