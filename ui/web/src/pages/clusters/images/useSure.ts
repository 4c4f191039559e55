import { useCallback } from "react";
import type { Schema } from "../../../api/client";
import { useText } from "../../../text";

// useSure says how sure it is that an image runs.
export function useSure() {
  const t = useText().clusters.images;
  return useCallback((i: Pick<Schema<"DefinitionImage">, "sure" | "confirmed">) => (i.confirmed ? t.confirmed : (t.sureness[i.sure] ?? i.sure)), [t]);
}
