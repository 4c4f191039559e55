import { MantineProvider } from "@mantine/core";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";
import type { Schema } from "../../api/client";
import * as de from "../../text/de";
import * as en from "../../text/en";
import { colors, GateState } from "./GateState";

type State = NonNullable<Schema<"DefinitionsSummary">["gate"]>["state"];

// The compiler wants each state of the API here.
const states: Record<State, string> = { complete: "complete", missing: "missing", damaged: "damaged", refused: "refused", moved: "moved" };
const shown = (state: string) => renderToStaticMarkup(<MantineProvider><GateState state={state} /></MantineProvider>);

describe.each(Object.entries(states))("%s", (state, word) => {
  test("is told by a word and a colour", () => {
    expect(shown(state)).toMatch(new RegExp(`>${word}<`));
    expect(shown(state)).toContain(`--mantine-color-${colors[state]}-light`);
  });
  test.each([["English", en], ["German", de]])("has its word in %s, and what to do", (_, text) => {
    expect(text.clusters.state[state]).toBeTruthy();
    expect(text.clusters.gate.means[state]).toBeTruthy();
  });
});

test("what is wrong is not in the colour of what is right", () => {
  const wrong = Object.keys(states).filter((s) => s !== "complete");
  expect(wrong.map((s) => colors[s])).not.toContain(colors.complete);
});

test("a state that is new to the page is shown as the appliance names it", () => {
  expect(shown("elsewhere")).toMatch(/>elsewhere</);
  expect(shown("elsewhere")).toContain("--mantine-color-gray-light");
});
