import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, type Schema } from "../../../api/client";
import { useMay } from "../../../api/session";
import { WarningIcon } from "../../../components/icons";
import { useFormat } from "../../../format";
import { useText } from "../../../text";
import classes from "../land.module.css";
import { reviewPath } from "../review/source";
import type { Candidate } from "./drives";

// CandidateRow is a file on a drive, with the names of those that are named like its
// signatures. What it says of itself nobody has checked yet.
export function CandidateRow({ drive, candidate, beside }: { drive: string; candidate: Candidate; beside: string[] }) {
  const t = useText().land.drives;
  const f = useFormat();
  const { header } = candidate;
  const isBundle = candidate.form === "bundle";
  const sub = isBundle ? [f.bytes(candidate.size), header && f.time(header.created)] : [f.bytes(candidate.size), t.signatureFile];
  return (
    <Group component="li" justify="space-between" className={classes.item}>
      <div className={classes.grow}>
        <Text fw={500} style={{ overflowWrap: "anywhere" }}>
          {candidate.name}
        </Text>
        <Text size="sm" c="dimmed">
          {sub.filter(Boolean).join(" · ")}
        </Text>
        {header && <Head header={header} beside={beside} />}
        {candidate.problem && <Trouble problem={candidate.problem} />}
      </div>
      {isBundle && !candidate.problem && (
        <Button component={Link} to={reviewPath({ drive, file: candidate.id })} aria-label={t.lookAt(candidate.name)}>
          {t.look}
        </Button>
      )}
    </Group>
  );
}

function Trouble({ problem }: { problem: string }) {
  const t = useText().land.drives;
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <WarningIcon size={18} style={{ flex: "none" }} />
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {t.problem} {problem}
      </Text>
    </Group>
  );
}

function Head({ header, beside }: { header: Schema<"MediaHeader">; beside: string[] }) {
  const text = useText().land;
  const t = text.drives;
  const f = useFormat();
  const owners = useOwners();
  const signers = header.signers ?? [];
  const parts = [
    t.headNames(header.names, f.count(header.names)),
    t.headContent(f.bytes(header.content)),
    header.channel && (header.sequence ? text.review.place(header.channel, f.count(header.sequence)) : header.channel),
    header.requires ? t.headThin : "",
    signers.length > 0 && t.headSigned(f.list(signers.map((id) => owners.get(id) ?? t.unknownKey(id.slice(0, 8))))),
    beside.length > 0 && t.headBeside(f.list(beside)),
    signers.length + beside.length === 0 && t.headUnsigned,
  ];
  return <Text size="sm">{parts.filter(Boolean).join(" · ")}</Text>;
}

// useOwners knows the owners of the keys that the site trusts, by the keys' ids.
function useOwners(): Map<string, string> {
  const may = useMay("trust.read");
  const keys = useQuery({ queryKey: ["trust", "keys"], queryFn: () => ask(client.GET("/api/v1/trust/keys")), enabled: may, staleTime: 60_000 });
  return new Map((keys.data ?? []).map((k) => [k.id, k.owner]));
}
