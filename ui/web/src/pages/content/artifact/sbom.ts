import { list, record, records, text, texts, time } from "./json";

// Package is one entry of an SBOM.
export type Package = { id: string; name: string; version: string; licence: string; purl: string };

export type Sbom = { format: string; of?: string; created?: string; tools: string[]; packages: Package[] };

// sbomOf reads SPDX 2 and CycloneDX in JSON; undefined for anything else.
export function sbomOf(document: unknown): Sbom | undefined {
  const d = record(document);
  if (d && text(d.spdxVersion)) return spdx(d);
  if (d && d.bomFormat === "CycloneDX") return cycloneDX(d);
  return undefined;
}

// https://spdx.github.io/spdx-spec/v2.3/
function spdx(d: Record<string, unknown>): Sbom {
  const info = record(d.creationInfo);
  return {
    format: text(d.spdxVersion)?.replace("SPDX-", "SPDX ") ?? "SPDX",
    of: text(d.name),
    created: time(info?.created),
    tools: texts(info?.creators).map((c) => c.replace(/^Tool: /, "")),
    packages: records(d.packages).map((p, k) => ({
      id: String(k),
      name: text(p.name) ?? "",
      version: text(p.versionInfo) ?? "",
      licence: said(p.licenseConcluded) ?? said(p.licenseDeclared) ?? "",
      purl: text(records(p.externalRefs).find((r) => r.referenceType === "purl")?.referenceLocator) ?? "",
    })),
  };
}

// said is a licence that somebody did tell.
function said(x: unknown): string | undefined {
  const licence = text(x);
  return licence === "NOASSERTION" || licence === "NONE" ? undefined : licence;
}

// https://cyclonedx.org/docs/1.6/json/
function cycloneDX(d: Record<string, unknown>): Sbom {
  const metadata = record(d.metadata);
  const subject = record(metadata?.component);
  return {
    format: ["CycloneDX", text(d.specVersion)].filter(Boolean).join(" "),
    of: [text(subject?.name), text(subject?.version)].filter(Boolean).join(" "),
    created: time(metadata?.timestamp),
    tools: toolsOf(metadata?.tools),
    packages: components(d.components).map((c, k) => ({
      id: String(k),
      name: [text(c.group), text(c.name)].filter(Boolean).join("/"),
      version: text(c.version) ?? "",
      licence: list(c.licenses).flatMap(licenceOf).join(", "),
      purl: text(c.purl) ?? "",
    })),
  };
}

// Since version 1.5 tools are components themselves.
function toolsOf(x: unknown): string[] {
  const tools = Array.isArray(x) ? records(x) : records(record(x)?.components);
  return tools.map((t) => [text(t.vendor), text(t.name), text(t.version)].filter(Boolean).join(" "));
}

// components are all of them, also those within others.
function components(x: unknown): Record<string, unknown>[] {
  return records(x).flatMap((c) => [c, ...components(c.components)]);
}

function licenceOf(x: unknown): string[] {
  const choice = record(x);
  const licence = record(choice?.license);
  const name = text(choice?.expression) ?? text(licence?.id) ?? text(licence?.name);
  return name ? [name] : [];
}

// licencesOf counts packages by licence, the most frequent first.
export function licencesOf(packages: Package[]): [licence: string, packages: number][] {
  const counts = new Map<string, number>();
  for (const { licence } of packages) counts.set(licence, (counts.get(licence) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
