import { Group, Select, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { Facts } from "../../../components/Facts";
import { VirtualGrid, type GridColumn } from "../../../components/VirtualGrid";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import { SearchBox } from "../SearchBox";
import { licencesOf, type Package, type Sbom } from "./sbom";

const idOf = (p: Package) => p.id;

// SbomView lists the packages of an SBOM: by name, version and licence.
export function SbomView({ sbom }: { sbom: Sbom }) {
  const t = useText().content.sbom;
  const f = useFormat();
  const [asked, setAsked] = useState("");
  const [licence, setLicence] = useState<string | null>(null);
  const columns = useColumns();
  const licences = useMemo(() => licencesOf(sbom.packages), [sbom]);
  const rows = useMemo(() => filtered(sbom.packages, asked, licence), [sbom, asked, licence]);
  return (
    <Stack gap="sm">
      <Facts
        items={[
          [t.format, sbom.format],
          [t.of, sbom.of],
          [t.created, sbom.created && f.time(sbom.created)],
          [t.tools, sbom.tools.join(", ")],
          [t.licences, f.count(licences.length)],
        ]}
      />
      <Group align="flex-end" gap="sm">
        <SearchBox label={t.filter} value={asked} onChange={setAsked} />
        <Select label={t.licence} mb="sm" placeholder={t.allLicences} clearable searchable value={licence} onChange={setLicence} data={licences.map(([name, n]) => ({ value: name || unsaid, label: `${name || t.noLicence} (${f.count(n)})` }))} />
      </Group>
      <Text size="sm" c="dimmed" role="status">
        {t.packages(rows.length, f.count(rows.length))}
      </Text>
      {rows.length > 0 && <VirtualGrid key={`${asked} ${licence}`} label={t.title} rows={rows} columns={columns} id={idOf} maxHeight="26rem" />}
    </Stack>
  );
}

// unsaid stands for no licence where an empty text cannot.
const unsaid = " ";

function filtered(packages: Package[], asked: string, licence: string | null): Package[] {
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = licence === unsaid ? "" : licence;
  return packages.filter((p) => {
    if (wanted !== null && p.licence !== wanted) return false;
    const all = `${p.name} ${p.version} ${p.licence} ${p.purl}`.toLowerCase();
    return words.every((w) => all.includes(w));
  });
}

function useColumns(): GridColumn<Package>[] {
  const t = useText();
  return useMemo(
    () => [
      { head: t.content.sbom.package, width: "minmax(0, 2fr)", cell: (p) => <span title={p.purl || p.name}>{p.name}</span> },
      { head: t.content.sbom.version, width: "minmax(0, 1fr)", cell: (p) => <span title={p.version}>{p.version}</span> },
      { head: t.content.sbom.licence, width: "minmax(0, 1.3fr)", from: "medium", cell: (p) => <span title={p.licence}>{p.licence || t.content.sbom.noLicence}</span> },
      { head: t.content.sbom.purl, width: "minmax(0, 2.4fr)", from: "wide", cell: (p) => <span title={p.purl}>{p.purl}</span> },
    ],
    [t],
  );
}
