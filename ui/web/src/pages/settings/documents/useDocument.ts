import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, client, ifMatch, type Schema } from "../../../api/client";

// Text is a document with the version that its entity tag names.
export type Text = { text: string; version: string };

type Answer = { data?: Schema<"Document">; error?: unknown; response: Response };

// A document of the API: where it is kept, and how it is read and replaced.
type Place = { key: string[]; get: () => Promise<Answer>; put: (text: string, version: string) => Promise<Answer> };

export const trustPolicy: Place = {
  key: ["trust", "policy"],
  get: () => client.GET("/api/v1/trust/policy"),
  put: (text, version) => client.PUT("/api/v1/trust/policy", { params: ifMatch(version), body: { text } }),
};

export const retentionPolicy: Place = {
  key: ["content", "policy"],
  get: () => client.GET("/api/v1/content/policy"),
  put: (text, version) => client.PUT("/api/v1/content/policy", { params: ifMatch(version), body: { text } }),
};

// versioned adds the version, which is in the head of the answer.
async function versioned(request: Promise<Answer>): Promise<Text> {
  const { text } = await ask(request);
  const { response } = await request;
  return { text, version: (response.headers.get("ETag") ?? "").replace(/^(W\/)?"|"$/g, "") };
}

export function useDocument(place: Place) {
  return useQuery({ queryKey: place.key, queryFn: () => versioned(place.get()) });
}

// useReplace puts a text in the place of the one of a version.
export function useReplace(place: Place) {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (next: Text) => versioned(place.put(next.text, next.version)),
    onError: () => cache.invalidateQueries({ queryKey: place.key }), // it may have changed meanwhile
    onSuccess: (now) => {
      cache.setQueryData(place.key, now);
      return cache.invalidateQueries({ queryKey: place.key.slice(0, 1) });
    },
  });
}

// useDraft is the text while somebody edits it. It stays of the version that it was
// begun with, so that nobody else's change is lost.
export function useDraft(document: Text) {
  const [draft, setDraft] = useState<Text>();
  const now = draft ?? document;
  return {
    ...now,
    changed: draft !== undefined,
    edit: (text: string) => setDraft(text === document.text ? undefined : { text, version: now.version }),
    drop: () => setDraft(undefined),
  };
}
