import { Failure } from "../../../api/client";
import { useText } from "../../../text";
import { trustPolicy, useDocument, useReplace } from "../documents/useDocument";

// useChangePolicy puts another text of the trust policy in force. Where the text is of
// a form that cannot be changed so, it says that people have to do it by themselves.
export function useChangePolicy() {
  const t = useText().settings.trust;
  const query = useDocument(trustPolicy);
  const replace = useReplace(trustPolicy);
  return async (change: (text: string) => string | undefined) => {
    if (!query.data) throw query.error ?? new Failure();
    const text = change(query.data.text);
    if (text === undefined) throw new Failure({ type: "about:blank", title: "", kind: "conflict", status: 409, detail: t.byHand });
    await replace.mutateAsync({ text, version: query.data.version });
  };
}
