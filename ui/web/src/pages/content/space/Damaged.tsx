import { List, Text } from "@mantine/core";
import { Link } from "react-router";
import { Digest } from "../../../components/Copy";
import { DataTable, type Column } from "../../../components/DataTable";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../content.module.css";
import { artifactPath } from "../names";
import type { Damage } from "./damage";

// Damaged lists content that a scrub found to be wrong, with the names that need it.
export function Damaged({ damages }: { damages: Damage[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Damage>[] = [
    { head: t.content.digest, cell: (d) => <Digest value={d.digest} /> },
    { head: t.common.size, cell: (d) => f.bytes(d.size), end: true },
    { head: t.content.space.cause, cell: (d) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{d.cause}</Text> },
    { head: t.content.space.breaks, cell: (d) => <Broken damage={d} /> },
  ];
  return <DataTable label={t.content.space.damagedList} rows={damages} columns={columns} id={(d) => d.digest} />;
}

function Broken({ damage: d }: { damage: Damage }) {
  const t = useText();
  if (d.breaks.length === 0) return t.common.none;
  return (
    <List size="sm" listStyleType="none">
      {d.breaks.map((name) => (
        <List.Item key={name} style={{ overflowWrap: "anywhere" }}>
          <Link to={artifactPath(name)} className={classes.name}>
            {name}
          </Link>
        </List.Item>
      ))}
      {d.more && <List.Item>…</List.Item>}
    </List>
  );
}
