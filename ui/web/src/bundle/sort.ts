import { partName, recognise, signatureName, type Kind, type Stranger } from "./kind";

// Cargo is what is sent and lands together: a bundle with its parts and signatures,
// or an archive. Signatures whose bundle was not chosen are cargo for themselves.
export type Cargo = {
  name: string;
  kind: Exclude<Kind, "part">;
  files: File[]; // in the order of the parts
  cut: boolean; // the files are parts of one
  missing: number[]; // numbers of parts that are not among them
  signatures: File[];
};

export type Sorted = { cargos: Cargo[]; strangers: { file: File; why: Stranger }[] };

type Seen = { file: File; kind: Kind };

// sort puts files together that belong together.
export async function sort(files: File[]): Promise<Sorted> {
  const strangers: Sorted["strangers"] = [];
  const seen: Seen[] = [];
  for (const file of files) {
    const kind = await recognise(file);
    if (isKind(kind)) seen.push({ file, kind });
    else strangers.push({ file, why: kind });
  }
  const cargos = [...whole(seen), ...cut(seen)];
  addSignatures(cargos, seen.filter((s) => s.kind === "signature").map((s) => s.file));
  return { cargos, strangers };
}

function isKind(kind: Kind | Stranger): kind is Kind {
  return kind === "bundle" || kind === "part" || kind === "signature" || kind === "docker-archive" || kind === "oci-archive";
}

function whole(seen: Seen[]): Cargo[] {
  return seen.flatMap(({ file, kind }) => (kind === "part" || kind === "signature" ? [] : [{ name: file.name, kind, files: [file], cut: false, missing: [], signatures: [] }]));
}

// cut makes one cargo of the parts of each file.
function cut(seen: Seen[]): Cargo[] {
  const sets = new Map<string, Map<number, File>>();
  for (const { file, kind } of seen) {
    const match = kind === "part" ? partName.exec(file.name) : null;
    if (!match?.[1] || !match[2]) continue;
    const set = sets.get(match[1]) ?? new Map<number, File>();
    sets.set(match[1], set.set(Number(match[2]), file));
  }
  return [...sets].map(([name, set]) => {
    const last = Math.max(...set.keys());
    const missing: number[] = [];
    for (let n = set.has(0) ? 0 : 1; n < last; n++) if (!set.has(n)) missing.push(n);
    const files = [...set].sort(([a], [b]) => a - b).map(([, file]) => file);
    return { name, kind: "bundle", files, cut: true, missing, signatures: [] };
  });
}

// addSignatures gives signatures to the bundles that they are named like. One that is
// named like nothing is the only bundle's.
function addSignatures(cargos: Cargo[], signatures: File[]) {
  const bundles = cargos.filter((c) => c.kind === "bundle");
  const alone: File[] = [];
  for (const file of signatures) {
    const named = signatureName.exec(file.name)?.[1];
    const bundle = bundles.find((b) => b.name === named) ?? (bundles.length === 1 ? bundles[0] : undefined);
    (bundle?.signatures ?? alone).push(file);
  }
  for (const file of alone) cargos.push({ name: file.name, kind: "signature", files: [file], cut: false, missing: [], signatures: [] });
}
