import { Card, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { ask, client } from "../../api/client";
import { Facts } from "../../components/Facts";
import { ContentIcon } from "../../components/icons";
import { Page } from "../../components/Page";
import { Empty } from "../../components/States";
import { useFormat } from "../../format";
import { useText } from "../../text";
import { NameGrid } from "./NameGrid";
import { useNames } from "./names";
import { NothingHere } from "./NothingHere";
import { SearchBox } from "./SearchBox";
import { useQueryText } from "./useQueryText";

// RepositoryPage shows one repository: its tags, and how much it has.
export function RepositoryPage() {
  const t = useText().content;
  const repository = useParams()["*"] ?? "";
  const search = useQueryText();
  const query = useNames(search.asked, repository);
  const found = useRepository(repository);
  const empty = search.asked ? <NothingHere asked={search.asked} clear={() => search.setText("")} /> : <NoTags exists={found.data !== undefined && found.data !== null} />;
  return (
    <Page
      title={repository}
      path={[
        { to: "/content", label: t.title },
        { to: "/content/repositories", label: t.repositories },
      ]}
    >
      <Stack>
        {found.data && <About repository={found.data} />}
        <Card>
          <SearchBox label={t.filterTags} value={search.text} onChange={search.setText} />
          <NameGrid key={repository} query={query} asked={search.asked} repository={repository} total={search.asked ? undefined : found.data?.tags} empty={empty} />
        </Card>
      </Stack>
    </Page>
  );
}

// useRepository counts what a repository has; null when there is none. It is found
// among those whose names have its name in them.
function useRepository(name: string) {
  return useQuery({
    queryKey: ["content", "repository", name],
    queryFn: async () => {
      const page = await ask(client.GET("/api/v1/content/repositories", { params: { query: { q: name, limit: 500 } } }));
      return page.items?.find((r) => r.name === name) ?? null;
    },
  });
}

function About({ repository }: { repository: NonNullable<ReturnType<typeof useRepository>["data"]> }) {
  const t = useText().content;
  const f = useFormat();
  return (
    <Card>
      <Facts
        items={[
          [t.tags, f.count(repository.tags)],
          [t.manifests, f.count(repository.manifests)],
          [t.updated, repository.updated && f.time(repository.updated)],
          [t.where, repository.attached && t.attachedText],
        ]}
      />
    </Card>
  );
}

function NoTags({ exists }: { exists: boolean }) {
  const t = useText().content;
  return (
    <Empty icon={<ContentIcon />} title={exists ? t.noTags : t.noRepository}>
      {exists ? t.noTagsText : t.noRepositoryText}
    </Empty>
  );
}
