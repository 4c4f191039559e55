import { Anchor, Badge, Card, createTheme, DrawerHeader, Menu, Modal, ModalHeader, Tooltip, type CSSVariablesResolver } from "@mantine/core";

// theme has contrasts that hold in both schemes: filled things are of the darkest
// shades, texts on them are chosen by their lightness.
export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Noto Sans Mono', monospace",
  headings: { fontWeight: "650", sizes: { h1: { fontSize: "1.6rem" }, h2: { fontSize: "1.15rem" }, h3: { fontSize: "1rem" } } },
  components: {
    Anchor: Anchor.extend({ defaultProps: { inherit: true } }), // of the size of the text around it
    Badge: Badge.extend({ styles: { root: { minWidth: "max-content", textTransform: "none" } } }), // a state is one word, and never cut
    Card: Card.extend({ defaultProps: { withBorder: true, padding: "md" } }),
    DrawerHeader: DrawerHeader.extend({ defaultProps: { role: "presentation" } }), // as that of a modal
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }), // in a menu there are items only
    Modal: Modal.extend({ defaultProps: { centered: true, transitionProps: { duration: 120 } } }),
    ModalHeader: ModalHeader.extend({ defaultProps: { role: "presentation" } }), // else it is a second banner of the page
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 300, withArrow: true, events: { hover: true, focus: true, touch: true } } }),
  },
});

// onLight are texts on the lightest shade of their own colour, where Mantine's are too
// light.
const onLight = {
  "--mantine-color-red-light-color": "#b02525",
  "--mantine-color-orange-light-color": "#96350a",
  "--mantine-color-yellow-light-color": "#804a00",
  "--mantine-color-green-light-color": "#1f6b2c",
  "--mantine-color-teal-light-color": "#066649",
  "--mantine-color-cyan-light-color": "#0a5a6b",
  "--mantine-color-blue-light-color": "#12519c",
};

// variables darken what Mantine's greys are too light for (WCAG 2.2, 1.4.3).
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: { ...onLight, "--mantine-color-error": "#c02626", "--mantine-color-dimmed": "#5a626b", "--mantine-color-body": "#f7f8fa", "--mantine-color-placeholder": "#6b727a", "--landfall-surface": "#ffffff" },
  dark: { "--mantine-color-error": "#ff8787", "--mantine-color-dimmed": "#a9b0b8", "--mantine-color-body": "#16181c", "--mantine-color-placeholder": "#9aa1a9", "--landfall-surface": "#1e2126" },
});
