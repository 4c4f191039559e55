import { expect, test } from "vitest";
import { parse } from "./json";
import { licencesOf, sbomOf } from "./sbom";
import { statementOf, unwrap } from "./statement";

const spdx = {
  spdxVersion: "SPDX-2.3",
  name: "server",
  creationInfo: { created: "2026-05-02T10:04:00Z", creators: ["Tool: scan-1.2"] },
  packages: [
    { name: "zlib", versionInfo: "1.3", licenseConcluded: "NOASSERTION", licenseDeclared: "Zlib", externalRefs: [{ referenceType: "purl", referenceLocator: "pkg:deb/debian/zlib@1.3" }] },
    { name: "nameless", licenseConcluded: "NONE" },
    "no package",
  ],
};

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");

test("an SBOM in SPDX", () => {
  const sbom = sbomOf(spdx);
  expect(sbom?.format).toBe("SPDX 2.3");
  expect(sbom?.tools).toEqual(["scan-1.2"]);
  expect(sbom?.packages).toEqual([
    { id: "0", name: "zlib", version: "1.3", licence: "Zlib", purl: "pkg:deb/debian/zlib@1.3" },
    { id: "1", name: "nameless", version: "", licence: "", purl: "" },
  ]);
});

test("an SBOM in CycloneDX, with components in components", () => {
  const sbom = sbomOf({
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    metadata: { timestamp: "yesterday", tools: { components: [{ name: "scan", version: "2" }] }, component: { name: "server", version: "1" } },
    components: [{ group: "@a", name: "b", version: "1", licenses: [{ license: { id: "MIT" } }, { expression: "Apache-2.0 OR MIT" }], components: [{ name: "inner" }] }],
  });
  expect(sbom).toMatchObject({ format: "CycloneDX 1.5", of: "server 1", created: undefined, tools: ["scan 2"] });
  expect(sbom?.packages.map((p) => [p.name, p.licence])).toEqual([
    ["@a/b", "MIT, Apache-2.0 OR MIT"],
    ["inner", ""],
  ]);
});

test("licences, the most frequent first", () => {
  const of = (licence: string) => ({ id: "", name: "", version: "", purl: "", licence });
  expect(licencesOf([of("MIT"), of("Zlib"), of("MIT")])).toEqual([
    ["MIT", 2],
    ["Zlib", 1],
  ]);
});

test("a statement in an envelope, alone and in a Sigstore bundle", () => {
  const statement = { _type: "https://in-toto.io/Statement/v1", subject: [{ name: "a", digest: { sha256: "12" } }], predicateType: "https://spdx.dev/Document", predicate: { Data: JSON.stringify(spdx) } };
  const envelope = { payloadType: "application/vnd.in-toto+json", payload: base64(statement) };
  for (const document of [statement, envelope, { dsseEnvelope: envelope }]) {
    const read = statementOf(unwrap(document));
    expect(read?.subjects).toEqual([{ name: "a", digest: "sha256:12" }]);
    expect(sbomOf(read?.predicate)?.packages.length).toBe(2);
  }
});

test("provenance of both versions", () => {
  const of = (version: string, predicate: unknown) => statementOf({ _type: "https://in-toto.io/Statement/v1", predicateType: `https://slsa.dev/provenance/${version}`, predicate })?.provenance;
  const expected = { builder: "b", buildType: "t", started: "2026-01-01", finished: undefined, sources: [{ uri: "git", digest: "sha1:1" }] };
  expect(of("v1", { buildDefinition: { buildType: "t", resolvedDependencies: [{ uri: "git", digest: { sha1: "1" } }] }, runDetails: { builder: { id: "b" }, metadata: { startedOn: "2026-01-01" } } })).toEqual(expected);
  expect(of("v0.2", { builder: { id: "b" }, buildType: "t", materials: [{ uri: "git", digest: { sha1: "1" } }], metadata: { buildStartedOn: "2026-01-01", buildFinishedOn: 7 } })).toEqual(expected);
});

test("anything else is not taken for what it is not", () => {
  for (const document of [undefined, null, 7, "text", [], {}, { bomFormat: "other" }, { spdxVersion: 2 }, { payloadType: "x", payload: "%%%" }, parse("{")]) {
    expect(sbomOf(unwrap(document))).toBeUndefined();
    expect(statementOf(unwrap(document))).toBeUndefined();
  }
});
