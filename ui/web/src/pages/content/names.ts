import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { ask, client, type Schema } from "../../api/client";

export type Name = Schema<"Name">;
export type Repository = Schema<"Repository">;
export type Kind = Name["kind"];

// The first page is short, so that a search answers at once; the others are long,
// since one who scrolls wants many.
const limitOf = (after: string | undefined) => (after === undefined ? 100 : 500);

// A long list is read anew when something has changed, not for being looked at again.
const staleTime = 60_000;

// useNames finds names by words that occur in them, in one repository or in all.
export function useNames(q: string, repository?: string) {
  return useInfiniteQuery({
    queryKey: ["content", "names", repository, q],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: after, signal }) => ask(client.GET("/api/v1/content/names", { params: { query: { q: q || undefined, repository, after, limit: limitOf(after) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    staleTime,
  });
}

// useRepositories finds repositories by words that occur in their names.
export function useRepositories(q: string) {
  return useInfiniteQuery({
    queryKey: ["content", "repositories", q],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: after, signal }) => ask(client.GET("/api/v1/content/repositories", { params: { query: { q: q || undefined, after, limit: limitOf(after) } }, signal })),
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    staleTime,
  });
}

// Where the pages of an artifact and of a repository are.
export const artifactPath = (name: string) => `/content/a?name=${encodeURIComponent(name)}`;
export const repositoryPath = (repository: string) => `/content/r/${repository.split("/").map(encodeURIComponent).join("/")}`;

// byDigest is the name of a manifest that no tag needs to point at.
export const byDigest = (repository: string, digest: string) => `${repository}@${digest}`;

// splitName splits a whole name into its repository and its tag, if it has one.
export function splitName(name: string): { repository: string; tag?: string } {
  const [before = name, digest] = name.split("@");
  const colon = before.lastIndexOf(":");
  if (colon <= before.lastIndexOf("/")) return { repository: before };
  return { repository: before.slice(0, colon), tag: digest ? undefined : before.slice(colon + 1) };
}

// shortDigest is the beginning of a digest, for where there is little room.
export const shortDigest = (digest: string) => digest.replace(/^sha256:/, "").slice(0, 12);

// shortName is a name for people: of a digest, its beginning.
export function shortName(name: string): string {
  const [before = name, digest] = name.split("@");
  return digest ? `${before}@${shortDigest(digest)}` : name;
}
