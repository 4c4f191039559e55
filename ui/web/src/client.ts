import createClient from "openapi-fetch";
import type { components, paths } from "./schema.gen";

// The appliance's API, typed by the document that it serves.
export const client = createClient<paths>({ baseUrl: "/" });

export type Session = components["schemas"]["Me"];
export type Problem = components["schemas"]["Problem"];

// told is what a problem says, or that there is no answer.
export const told = (problem: Problem | undefined) => problem?.detail ?? "The appliance does not answer.";
