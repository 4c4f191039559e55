import { fieldsOf, listOf, numberOf, textOf, textsOf, type Fields } from "../narrow";

// Header is what a bundle says of itself, as far as people want to know it before it
// is sent (bundle/FORMAT.md, sections 3 and 8). Nobody has checked it.
export type Header = {
  id: string;
  format: number;
  created: string;
  channel: string; // "" when it belongs to none
  sequence: number;
  expires: string; // "" when it does not
  names: { name: string; digest: string }[];
  platforms: string[];
  requires: number;
  content: number; // bytes of all blobs and manifests
  blobs: { offset: number; size: number }[]; // payloads, in file order
  end: number; // offset behind the last payload
};

const list = (x: unknown): Fields[] => listOf(x).map(fieldsOf);
const bytes = (x: unknown): number => Math.max(0, numberOf(x));
const sizeOf = (entries: Fields[]) => entries.reduce((sum, e) => sum + bytes(e.size), 0);
const endOf = (entries: Fields[]) => entries.reduce((most, e) => Math.max(most, bytes(e.offset) + bytes(e.size)), 0);

// parseHeader reads landfall/bundle.json; undefined when it is something else.
export function parseHeader(json: string): Header | undefined {
  const h = parse(json);
  const blobs = list(h.blobs);
  const all = [...blobs, ...list(h.manifests)];
  const header = {
    id: textOf(h.id),
    format: numberOf(h.format),
    created: textOf(h.created),
    channel: textOf(h.channel),
    sequence: numberOf(h.sequence),
    expires: textOf(h.expires),
    names: list(h.names).map((n) => ({ name: textOf(n.name), digest: textOf(n.digest) })),
    platforms: textsOf(h.platforms),
    requires: textsOf(h.requires).length,
    content: sizeOf(all),
    blobs: blobs.map((b) => ({ offset: bytes(b.offset), size: bytes(b.size) })),
    end: endOf(all),
  };
  return header.id && header.format && header.created ? header : undefined;
}

function parse(json: string): Fields {
  try {
    return fieldsOf(JSON.parse(json));
  } catch {
    return {};
  }
}
