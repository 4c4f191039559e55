import { useQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";

export type Summary = Schema<"DefinitionsSummary">;
export type Definition = Schema<"Definition">;
export type Report = Schema<"ClosureReport">;

// all is the key of everything about definitions. It is one of content: what changes
// content, like an import, changes what the gate says.
export const all = ["content", "definitions"];

// definitionPath is where a definition has its page, by its reference.
export const definitionPath = (reference: string) => `/clusters/d?name=${encodeURIComponent(reference)}`;

export function useDefinitions() {
  return useQuery({ queryKey: [...all, "list"], queryFn: async () => (await ask(client.GET("/api/v1/definitions"))) ?? [] });
}

// useDefinition reads a whole definition, which under its digest is always the same.
export function useDefinition({ reference, digest }: Summary) {
  return useQuery({
    queryKey: [...all, "show", reference, digest],
    queryFn: () => ask(client.GET("/api/v1/definitions/show", { params: { query: { name: reference } } })),
    staleTime: Infinity,
  });
}

// useCheck reads what the gate found last; without a gate it was not asked yet.
export function useCheck({ reference, gate }: Summary) {
  return useQuery({
    queryKey: [...all, "check", reference],
    queryFn: () => ask(client.GET("/api/v1/definitions/check", { params: { query: { name: reference } } })),
    enabled: gate !== undefined,
  });
}

export const valuesKey = (reference: string) => [...all, "values", reference];

export function useValues(reference: string) {
  return useQuery({ queryKey: valuesKey(reference), queryFn: () => ask(client.GET("/api/v1/definitions/values", { params: { query: { name: reference } } })) });
}
