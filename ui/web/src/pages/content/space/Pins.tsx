import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { Shown } from "../../../components/States";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../content.module.css";
import { artifactPath, byDigest, shortDigest } from "../names";

type Pin = Schema<"StorePin">;

// Pins are all of the site: who keeps what, and why.
export function Pins() {
  const t = useText().content;
  const query = useQuery({ queryKey: ["content", "pins"], queryFn: () => ask(client.GET("/api/v1/content/pins")) });
  return (
    <Section title={t.pin.pins} about={t.pin.about}>
      <Shown query={query}>{(pins) => (pins.length === 0 ? <Text size="sm">{t.pin.none}</Text> : <PinTable pins={pins} />)}</Shown>
    </Section>
  );
}

function PinTable({ pins }: { pins: Pin[] }) {
  const t = useText();
  const f = useFormat();
  const columns: Column<Pin>[] = [
    {
      head: t.common.name,
      cell: (p) => (
        <Link to={artifactPath(byDigest(p.repository, p.digest))} className={classes.name} style={{ overflowWrap: "anywhere" }}>
          {p.repository}
          {p.tag ? `:${p.tag}` : ""} <span className={classes.mono}>{shortDigest(p.digest)}</span>
        </Link>
      ),
    },
    { head: t.content.pin.owner, cell: (p) => p.owner },
    { head: t.content.pin.reason, cell: (p) => p.reason },
    { head: t.content.pin.since, cell: (p) => <Text size="sm">{f.time(p.created)}</Text>, wide: true },
  ];
  return <DataTable label={t.content.pin.pins} rows={pins} columns={columns} id={(p) => `${p.repository} ${p.digest} ${p.tag ?? ""} ${p.owner}`} />;
}
