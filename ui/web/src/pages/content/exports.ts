// What jobs say of bundles that they make: args and result of an export job.

const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null;
const text = (x: unknown) => (typeof x === "string" ? x : undefined);

// exportedFile is the name of the file that a job has made.
export const exportedFile = (result: unknown) => (isRecord(result) ? text(result.file) : undefined);

// exportArgs is what a job was asked for.
export function exportArgs(args: unknown): { names: string[]; channel?: string; sign: boolean } {
  if (!isRecord(args)) return { names: [], sign: false };
  const names = Array.isArray(args.names) ? args.names.filter((n): n is string => typeof n === "string") : [];
  return { names, channel: text(args.channel), sign: args.sign === true };
}
