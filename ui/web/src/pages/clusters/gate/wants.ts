import type { Schema } from "../../../api/client";
import type { Report } from "../queries";

export type Item = Schema<"ClosureItem">;

// badOf are the items that are not as they should be. A report has them first.
export const badOf = (items: Item[]) => items.filter((i) => i.state !== "complete");

// wantsFile is what the file of what is missing is called.
export const wantsFile = ({ name, version }: Pick<Report, "name" | "version">) => `${name}-${version}.wants.json`;

// saveWants gives the browser a wants file, as 'landfall definition check' writes one.
export function saveWants(wants: Schema<"Wants">) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(wants, null, 2) + "\n"], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = wantsFile(wants.definition ?? { name: "definition", version: "unknown" });
  link.click();
  URL.revokeObjectURL(url);
}
