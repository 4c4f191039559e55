import { useEffect, useRef, useState } from "react";
import { useSearchParams } from "react-router";

const pause = 120; // milliseconds without a key, after which it is looked for

// useQueryText is a text that is looked for. It is in the address, so that it can be
// sent to somebody, and is there again on the way back.
export function useQueryText() {
  const [params, setParams] = useSearchParams();
  const asked = params.get("q") ?? "";
  const [text, setText] = useState(asked);
  const written = useRef(asked);
  useEffect(() => {
    if (text === written.current) return;
    const timer = setTimeout(() => {
      written.current = text;
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          if (text) next.set("q", text);
          else next.delete("q");
          return next;
        },
        { replace: true },
      );
    }, pause);
    return () => clearTimeout(timer);
  }, [text, setParams]);
  useEffect(() => {
    // Not what was typed here: somebody went back.
    if (asked === written.current) return;
    written.current = asked;
    setText(asked);
  }, [asked]);
  return { text, setText, asked };
}
