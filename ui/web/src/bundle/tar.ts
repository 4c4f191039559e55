import type { Pieces } from "./pieces";

export const block = 512;

// Entry is one entry of a tar file. Offsets are from the file's start.
export type Entry = {
  name: string;
  type: string; // "0" is a file
  payload: number; // offset of its first byte
  size: number; // bytes of the payload
  end: number; // offset of what follows
};

const ascii = new TextDecoder("latin1");

function text(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return ascii.decode(end < 0 ? field : field.subarray(0, end));
}

// isTar reports whether a file that begins like this is a tar file of POSIX or GNU.
export function isTar(head: Uint8Array): boolean {
  return text(head, 257, 5) === "ustar";
}

export const padded = (size: number) => Math.ceil(size / block) * block;

// readEntry reads the entry that begins at an offset; undefined when there is none.
export async function readEntry(file: Pieces, at: number): Promise<Entry | undefined> {
  const head = await file.read(at, at + block);
  if (head.length < block || !isTar(head)) return undefined;
  const digits = text(head, 124, 12).trim();
  if (!/^[0-7]+$/.test(digits)) return undefined;
  const size = parseInt(digits, 8);
  const payload = at + block;
  return { name: text(head, 0, 100), type: text(head, 156, 1) || "0", payload, size, end: payload + padded(size) };
}
