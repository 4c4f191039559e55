// like matches what a text of the dictionary says, whatever its arguments are.
export function like(text: (...args: never[]) => string): RegExp {
  const gap = "\u0001";
  const said = (text as (...args: string[]) => string)(...Array<string>(text.length).fill(gap));
  return new RegExp(said.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(gap, ".+"));
}
