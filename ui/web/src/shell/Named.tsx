import { MantineThemeProvider } from "@mantine/core";
import { useMemo, type ReactNode } from "react";
import { useText } from "../text";

// Named gives all buttons that close something a name, which they have none of as
// they come, in the language that is shown.
export function Named({ children }: { children: ReactNode }) {
  const close = useText().common.close;
  const theme = useMemo(() => ({ components: { CloseButton: { defaultProps: { "aria-label": close } } } }), [close]);
  return (
    <MantineThemeProvider inherit theme={theme}>
      {children}
    </MantineThemeProvider>
  );
}
