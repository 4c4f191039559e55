import { decode, parse, record, records, text, time } from "./json";

// Statement is what an attestation says of something (in-toto).
export type Statement = { predicateType: string; subjects: { name: string; digest: string }[]; predicate: unknown; provenance?: Provenance };

// Provenance is where something came from (SLSA).
export type Provenance = { builder?: string; buildType?: string; started?: string; finished?: string; sources: { uri: string; digest: string }[] };

// unwrap takes a document out of what it is signed in: a Sigstore bundle, a DSSE
// envelope.
export function unwrap(document: unknown): unknown {
  const d = record(document);
  const envelope = record(d?.dsseEnvelope) ?? d;
  const payload = text(envelope?.payload);
  return text(envelope?.payloadType) && payload ? parse(decode(payload)) : document;
}

// statementOf reads a statement of in-toto; undefined for anything else.
export function statementOf(document: unknown): Statement | undefined {
  const d = record(document);
  const predicateType = text(d?.predicateType);
  if (!d || !predicateType || !text(d._type)?.startsWith("https://in-toto.io/Statement")) return undefined;
  return {
    predicateType,
    subjects: records(d.subject).map((s) => ({ name: text(s.name) ?? "", digest: firstDigest(s.digest) })),
    predicate: inner(d.predicate),
    provenance: predicateType.startsWith("https://slsa.dev/provenance/") ? provenance(d.predicate) : undefined,
  };
}

// Some put a document into a predicate as text.
function inner(predicate: unknown): unknown {
  const data = text(record(predicate)?.Data);
  return data ? (parse(data) ?? predicate) : predicate;
}

// https://slsa.dev/spec/v1.0/provenance, and version 0.2 before it.
function provenance(predicate: unknown): Provenance {
  const p = record(predicate);
  const build = record(p?.buildDefinition);
  const run = record(p?.runDetails);
  const metadata = record(run?.metadata) ?? record(p?.metadata);
  return {
    builder: text(record(run?.builder)?.id) ?? text(record(p?.builder)?.id),
    buildType: text(build?.buildType) ?? text(p?.buildType),
    started: time(metadata?.startedOn ?? metadata?.buildStartedOn),
    finished: time(metadata?.finishedOn ?? metadata?.buildFinishedOn),
    sources: records(build?.resolvedDependencies ?? p?.materials).map((m) => ({ uri: text(m.uri) ?? "", digest: firstDigest(m.digest) })),
  };
}

function firstDigest(x: unknown): string {
  const [first] = Object.entries(record(x) ?? {});
  return first ? `${first[0]}:${String(first[1])}` : "";
}
