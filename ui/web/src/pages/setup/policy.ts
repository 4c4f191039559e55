// The trust policies that the setup writes: keys, and what may come without any of
// them. registry/trust has the whole format.

export type SimpleKey = { owner: string; pem: string };
export type SimplePolicy = { keys: SimpleKey[]; unsigned: "refuse" | "allow"; pushes: "allow" | "refuse" };

export const noPolicy: SimplePolicy = { keys: [], unsigned: "refuse", pushes: "allow" };

// The format takes these characters only.
export const printable = /^[ -~]*$/;

// write writes a policy as read reads it. Without a key there is none.
export function write({ keys, unsigned, pushes }: SimplePolicy): string {
  if (keys.length === 0) return "";
  const lines = keys.flatMap((k) => [`  - owner: ${JSON.stringify(k.owner)}`, "    pem: |", ...linesOf(k.pem).map((l) => `      ${l}`)]);
  return ["version: 1", "keys:", ...lines, `unsigned: ${unsigned}`, `pushes: ${pushes}`, ""].join("\n");
}

const linesOf = (pem: string) => pem.trim().split(/\r?\n/).map((l) => l.trim());

// read reads what write has written. Other policies are nothing that it may write
// over: undefined.
export function read(text: string): SimplePolicy | undefined {
  if (text === "") return noPolicy;
  const policy: SimplePolicy = { ...noPolicy, keys: [] };
  for (const line of text.split("\n")) {
    const owner = /^ {2}- owner: (".*")$/.exec(line)?.[1];
    const pem = /^ {6}(\S.*)$/.exec(line)?.[1];
    const last = policy.keys.at(-1);
    if (owner) policy.keys.push({ owner: unquote(owner), pem: "" });
    else if (pem && last) last.pem += `${pem}\n`;
    else if (line === "unsigned: allow") policy.unsigned = "allow";
    else if (line === "pushes: refuse") policy.pushes = "refuse";
  }
  return write(policy) === text ? policy : undefined;
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text; // it is then not written again as it was
  }
}
