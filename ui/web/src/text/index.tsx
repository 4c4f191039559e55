import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import * as en from "./en";
import type { Words } from "./words";

export type Dictionary = Words<typeof en>;
export type Language = "en" | "de";
export const languages: { id: Language; name: string }[] = [
  { id: "en", name: "English" },
  { id: "de", name: "Deutsch" },
];

const stored = "landfall.language";

type Choice = { language: Language; text: Dictionary; choose: (language: Language) => void };
const Context = createContext<Choice>({ language: "en", text: en, choose: () => {} });

// TextProvider has the words of the language that was chosen, else of the browser's.
export function TextProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(preferred);
  const [loaded, setLoaded] = useState<{ language: Language; text: Dictionary }>({ language: "en", text: en });
  useEffect(() => {
    let wanted = true;
    document.documentElement.lang = language;
    const take = (text: Dictionary) => wanted && setLoaded({ language, text });
    if (language === "en") take(en);
    else void import("./de").then(take);
    return () => {
      wanted = false;
    };
  }, [language]);
  const choice = useMemo(
    () => ({
      ...loaded,
      choose: (l: Language) => {
        localStorage.setItem(stored, l);
        setLanguage(l);
      },
    }),
    [loaded],
  );
  if (loaded.language !== language && loaded.text === en && language !== "en") return null; // not first in one language, then in another
  return <Context value={choice}>{children}</Context>;
}

function preferred(): Language {
  const wanted = localStorage.getItem(stored) ?? navigator.languages.find((l) => /^(en|de)\b/.test(l)) ?? "en";
  return wanted.startsWith("de") ? "de" : "en";
}

// useText has the words to show.
export const useText = (): Dictionary => useContext(Context).text;
export const useLanguage = (): Language => useContext(Context).language;
export const useChooseLanguage = () => useContext(Context).choose;
