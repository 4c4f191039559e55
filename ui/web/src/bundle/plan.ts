import type { Schema } from "../api/client";

export type Upload = Schema<"Upload">;

// Part is a region of a file with an upload of its own.
export type Part = {
  id?: string; // none until it is made
  start: number; // in the file
  size: number;
};

// Plan is how a file is sent: an upload that is there goes on, or is whole; else the
// file goes in parts, some of which may be there.
export type Plan = { upload: Upload } | { parts: Part[] };

const order: Upload["state"][] = ["receiving", "checking", "whole"];

// plan decides how to go on with what the appliance has of a file.
export function plan(size: number, fingerprint: string, known: Upload[]): Plan {
  const ours = known.filter((u) => u.fingerprint === fingerprint && order.includes(u.state));
  const best = ours
    .filter((u) => !u.partial && u.size === size)
    .sort((a, b) => order.indexOf(b.state) - order.indexOf(a.state) || b.offset - a.offset)[0];
  if (best) return { upload: best };
  const parts: Part[] = ours
    .flatMap((u) => (u.partial && u.state === "receiving" && u.part?.group === fingerprint && u.part.total === size ? [{ id: u.id, start: u.part.offset, size: u.size }] : []))
    .sort((a, b) => a.start - b.start);
  return { parts: filled(size, parts) };
}

// filled puts parts into the gaps between those that are there.
function filled(size: number, parts: Part[]): Part[] {
  const all: Part[] = [];
  let at = 0;
  for (const part of [...parts, { start: size, size: 0 }]) {
    if (part.start > at) all.push({ start: at, size: part.start - at });
    if (part.size > 0) all.push(part);
    at = Math.max(at, part.start + part.size);
  }
  return all;
}
