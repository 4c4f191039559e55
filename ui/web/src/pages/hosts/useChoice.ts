import { useSearchParams } from "react-router";
import { kinds, type Kind } from "./commands";

// useChoice keeps in the address for which hosts the files are, so that it can be
// passed on.
export function useChoice() {
  const [params, setParams] = useSearchParams();
  const set = (name: string, value: string) =>
    setParams(
      (old) => {
        const next = new URLSearchParams(old);
        if (value) next.set(name, value);
        else next.delete(name);
        return next;
      },
      { replace: true },
    );
  return {
    kind: kinds.find((k) => k === params.get("kind")) ?? "containerd",
    registry: params.get("registry") ?? location.origin,
    upstreams: (params.get("upstream") ?? "").split(",").filter((u) => u !== ""),
    setKind: (kind: Kind) => set("kind", kind),
    setRegistry: (registry: string) => set("registry", registry === location.origin ? "" : registry),
    setUpstreams: (list: string[]) => set("upstream", list.join(",")),
  };
}
