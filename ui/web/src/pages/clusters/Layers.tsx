import { Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { Schema } from "../../api/client";
import { DataTable, type Column } from "../../components/DataTable";
import { Section } from "../../components/Page";
import { useFormat } from "../../format";
import { useText } from "../../text";

type Layer = Schema<"DefinitionLayer">;

// Layers are the parts of the stack, with what the definition carries for each and how
// a host is upgraded.
export function Layers({ layers }: { layers: Layer[] }) {
  const t = useText().clusters.layers;
  const columns: Column<Layer>[] = [
    { head: t.layer, cell: (l) => <Name layer={l} /> },
    { head: t.parts, cell: (l) => <Parts layer={l} />, width: "50%" },
    { head: t.upgrade, cell: (l) => <Upgrade layer={l} /> },
  ];
  return (
    <Section title={t.title} about={t.about}>
      <DataTable label={t.title} rows={layers} columns={columns} id={(l) => l.name} />
    </Section>
  );
}

function Name({ layer: l }: { layer: Layer }) {
  const t = useText().clusters.layers;
  const f = useFormat();
  const kind = [t.type[l.type] ?? l.type, l.version].filter(Boolean).join(" ");
  const more = [kind, l.from && t.from(l.from), l.namespace && t.namespace(l.namespace), l.dependsOn?.length && t.after(f.list(l.dependsOn)), l.platforms?.length && t.only(f.list(l.platforms))];
  return (
    <>
      <Text fw={500} size="sm" style={{ overflowWrap: "anywhere" }}>
        {l.name}
      </Text>
      <Small>{more.filter(Boolean).join(", ")}</Small>
    </>
  );
}

function Parts({ layer: l }: { layer: Layer }) {
  const t = useText().clusters.layers;
  const f = useFormat();
  const images = l.images?.length ?? 0;
  const parts = [
    ...(l.charts ?? []).map((c) => ({ what: t.chart, name: `${c.name} ${c.version}`, more: [t.charted(c.release, c.namespace), c.origin.oci ?? c.origin.repository ?? c.origin.path, f.bytes(c.size)] })),
    ...(l.manifests ?? []).map((m) => ({ what: t.manifest, name: m.path, more: [f.bytes(m.size)] })),
    ...(l.files ?? []).map((p) => ({ what: t.file, name: p.target ? `${p.path} → ${p.target}` : p.path, more: [f.bytes(p.size)] })),
  ];
  return (
    <>
      {parts.map((p, k) => (
        <Text key={k} size="sm" style={{ overflowWrap: "anywhere" }}>
          {p.what} <b>{p.name}</b>{" "}
          <Text span size="xs" c="dimmed">
            {p.more.filter(Boolean).join(", ")}
          </Text>
        </Text>
      ))}
      {images > 0 && <Text size="sm">{t.images(images, f.count(images))}</Text>}
      {parts.length + images === 0 && <Small>{t.nothing}</Small>}
    </>
  );
}

function Upgrade({ layer: l }: { layer: Layer }) {
  const t = useText().clusters.layers;
  return (
    <>
      <Text size="sm">{t.policy[l.upgrade.policy] ?? l.upgrade.policy}</Text>
      {l.upgrade.notes && (
        <Text size="xs" c="dimmed" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {l.upgrade.notes}
        </Text>
      )}
    </>
  );
}

function Small({ children }: { children: ReactNode }) {
  return (
    <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
      {children}
    </Text>
  );
}
