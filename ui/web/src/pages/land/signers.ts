import type { Dictionary } from "../../text";

// signerName names a key and its owner in people's words. The appliance tells of them
// as "key ID of OWNER".
export function signerName(signer: string, t: Dictionary["land"]["review"]): string {
  const match = /^key ([0-9a-f]{32}) of (.+)$/.exec(signer);
  return match?.[1] && match[2] ? t.keyOwner(match[2], match[1].slice(0, 8)) : signer;
}
