import { Badge } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { ask, client, keyed, type Schema } from "../../api/client";
import { useFormat } from "../../format";
import { useText, type Dictionary } from "../../text";

export type Run = Schema<"MirroringRun">;
export type Tally = Schema<"Tally">;

export const goesOn = (run: Run) => run.state === "waiting" || run.state === "running";

// The events tell of jobs; what runs is looked at in between by these (milliseconds).
export const whileRunning = 2000;
export const whileIdle = 30_000;

const runColors: Record<Run["state"], string> = { waiting: "gray", running: "blue", done: "teal", partial: "orange", deferred: "yellow", failed: "red", canceled: "gray" };

// RunState is a run's state by its word and a colour.
export function RunState({ state }: { state: Run["state"] }) {
  const t = useText().mirrors;
  return <Word color={runColors[state]}>{t.runState[state] ?? state}</Word>;
}

const mirrorColors: Record<string, string> = { idle: "gray", waiting: "gray", running: "blue", deferred: "yellow" };

// MirrorState is what a mirror does now.
export function MirrorState({ state }: { state: string }) {
  const t = useText().mirrors;
  return <Word color={mirrorColors[state] ?? "gray"}>{t.state[state] ?? state}</Word>;
}

export function Word({ color, children }: { color: string; children: string }) {
  return (
    <Badge color={color} variant="light" style={{ textTransform: "none" }}>
      {children}
    </Badge>
  );
}

export const counted = ["copied", "refused", "failed", "deferred", "unbegun", "deleted", "kept", "present"] as const;

// useSummary says in a line what runs did.
export function useSummary() {
  const t = useText().mirrors;
  const f = useFormat();
  return (tallies: Tally[], state: Run["state"]) => {
    const parts = counted.flatMap((key) => {
      const n = tallies.reduce((sum, tally) => sum + tally[key], 0);
      return n > 0 ? [t.summary[key](f.count(n))] : [];
    });
    return parts.length > 0 ? parts.join(", ") : state === "done" ? t.nothingToDo : t.nothingDone;
  };
}

// namesOf lists mirrors, of which there may be many.
export function namesOf(t: Dictionary, names: string[]): string {
  const few = 3;
  return names.length <= few + 1 ? names.join(", ") : `${names.slice(0, few).join(", ")} ${t.mirrors.more(String(names.length - few))}`;
}

// useRunMirrors starts a run of some mirrors, or of all that are copied ahead.
export function useRunMirrors() {
  const t = useText();
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (mirrors: string[]) => ask(client.POST("/api/v1/mirrors/run", { body: { mirrors }, params: keyed() })),
    onSuccess: (run) => {
      notifications.show({ color: "teal", title: t.mirrors.started(namesOf(t, run.mirrors ?? [])), message: <Link to={`/mirrors/runs/${run.id}`}>{t.mirrors.toRun}</Link> });
      return cache.invalidateQueries({ queryKey: ["mirrors"] });
    },
  });
}
