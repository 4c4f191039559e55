// Titles of dialogs have names in them, which may be long.
export const titles = { title: { overflowWrap: "anywhere", lineHeight: 1.35 } } as const;
