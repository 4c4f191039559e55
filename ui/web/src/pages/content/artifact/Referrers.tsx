import { Text } from "@mantine/core";
import { Link } from "react-router";
import type { Schema } from "../../../api/client";
import { DataTable, type Column } from "../../../components/DataTable";
import { Section } from "../../../components/Page";
import { useText } from "../../../text";
import { KindBadge } from "../Kind";
import { artifactPath, byDigest, shortDigest } from "../names";
import classes from "./artifact.module.css";
import type { Artifact } from "./index";

type Referrer = Schema<"ArtifactReferrer">;

// Referrers are what belongs to an artifact: signatures, SBOMs, attestations. Each
// leads to a page that shows it.
export function Referrers({ artifact: a }: { artifact: Artifact }) {
  const t = useText();
  const rows = a.referrers ?? [];
  if (a.kind !== "image" && a.kind !== "index" && a.kind !== "chart" && rows.length === 0) return null;
  const columns: Column<Referrer>[] = [
    { head: t.common.kind, cell: (r) => <KindBadge kind={r.kind} /> },
    {
      head: t.content.digest,
      cell: (r) =>
        r.present ? (
          <Link to={artifactPath(byDigest(a.repository, r.digest))} className={classes.digest} title={r.digest} aria-label={t.content.openReferrer(t.content.kind[r.kind], shortDigest(r.digest))}>
            {shortDigest(r.digest)}
          </Link>
        ) : (
          t.content.notHere
        ),
    },
    { head: t.content.of, cell: (r) => <Of artifact={a} subject={r.subject} /> },
    { head: t.content.type, cell: (r) => <Type referrer={r} />, wide: true },
  ];
  return (
    <Section title={t.content.referrers} about={t.content.referrersText}>
      {rows.length === 0 ? (
        <Text size="sm">{t.content.referrersNone}</Text>
      ) : (
        <DataTable label={t.content.referrers} rows={rows} columns={columns} id={(r) => r.digest + r.via} />
      )}
    </Section>
  );
}

// Of says what of an index it belongs to.
function Of({ artifact: a, subject }: { artifact: Artifact; subject: string }) {
  const t = useText().content;
  if (subject === a.digest) return t.thisArtifact;
  const platform = a.platforms?.find((p) => p.digest === subject)?.platform;
  return (
    <Link to={artifactPath(byDigest(a.repository, subject))} className={classes.link} title={subject}>
      {platform || shortDigest(subject)}
    </Link>
  );
}

function Type({ referrer: r }: { referrer: Referrer }) {
  const t = useText().content;
  return (
    <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
      {r.artifactType ?? r.mediaType} · {t.via[r.via]}
    </Text>
  );
}
