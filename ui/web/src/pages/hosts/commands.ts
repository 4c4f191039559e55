import type { Schema } from "../../api/client";

export const kinds = ["containerd", "k3s", "rke2", "docker", "podman"] as const;
export type Kind = (typeof kinds)[number];
export type File = Schema<"NodeFile">;

export const kindNames: Record<Kind, string> = { containerd: "containerd", k3s: "k3s", rke2: "RKE2", docker: "Docker", podman: "Podman, CRI-O" };

// hostOf is the host of a registry's address, with its port.
export function hostOf(registry: string): string {
  return URL.canParse(registry) ? new URL(registry).host : registry;
}

export function isLoopback(registry: string): boolean {
  const host = URL.canParse(registry) ? new URL(registry).hostname : "";
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}

const limit = "LANDFALL_END";

// installScript puts files in place. It looks at all of them first, and stops before
// it changes anything where somebody else has written one.
export function installScript(kind: Kind, registry: string, files: File[]): string {
  const put = files.map((f) => `file '${f.path}' ${f.mode} <<'${limit}'\n${f.content.endsWith("\n") ? f.content : f.content + "\n"}${limit}\n`);
  return `#!/bin/sh
# Lets ${kind} on this host pull from ${registry} by original names. Run it as root.
set -eu
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
file() {
  mkdir -p "$new\${1%/*}"
  cat > "$new$1"
  chmod "$2" "$new$1"
}

${put.join("\n")}
cd "$new"
find . -type f | while read -r f; do
  to=\${f#.}
  case $to in *.crt) continue ;; esac
  if [ -e "$to" ] && ! cmp -s "$f" "$to" && ! head -n 1 "$to" | grep -q '^# Written by landfall node-config'; then
    echo "$to is there already and says something else: merge it by hand. Nothing was changed." >&2
    exit 1
  fi
done
find . -type f | while read -r f; do
  to=\${f#.}
  mkdir -p "\${to%/*}"
  cp -p "$f" "$to.landfall-new"
  mv "$to.landfall-new" "$to"
  echo "$to"
done
`;
}

// containerdConfig lets containerd find the files, in its two generations.
export const containerdConfig = `# containerd 2:
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"

# containerd 1.6 and 1.7:
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
`;

// restart is what makes a runtime read its files, where that is needed.
export function restart(kind: Kind): string | undefined {
  switch (kind) {
    case "docker":
      return "systemctl reload docker";
    case "k3s":
      return "systemctl restart k3s        # on servers\nsystemctl restart k3s-agent  # on agents";
    case "rke2":
      return "systemctl restart rke2-server  # on servers\nsystemctl restart rke2-agent   # on agents";
  }
}

// check pulls an image. dockerd has mirrors for Docker Hub only.
export function check(kind: Kind, registry: string, name: string): string {
  switch (kind) {
    case "containerd":
      return `crictl pull ${name}\n# or without Kubernetes:\nctr images pull --hosts-dir /etc/containerd/certs.d ${name}`;
    case "k3s":
      return `k3s crictl pull ${name}`;
    case "rke2":
      return `/var/lib/rancher/rke2/bin/crictl --config /var/lib/rancher/rke2/agent/etc/crictl.yaml pull ${name}`;
    case "docker":
      return `docker pull ${name.startsWith("docker.io/") ? name : `${hostOf(registry)}/${name}`}`;
    case "podman":
      return `podman pull ${name}\n# with CRI-O:\ncrictl pull ${name}`;
  }
}

const [robot, token] = ["robot$NAME", "TOKEN"];

// credentials are what gives a runtime a robot's name and token; inFiles: in those that
// the script writes.
export function credentials(kind: Kind, registry: string): { value: string; make?: string; inFiles?: boolean } {
  const host = hostOf(registry);
  switch (kind) {
    case "containerd":
      return { value: '[header]\nauthorization = "Basic VALUE"', make: `printf '%s' '${robot}:${token}' | base64 -w 0`, inFiles: true };
    case "docker":
      return { value: `docker login ${host} --username '${robot}'` };
    case "podman":
      return { value: `podman login ${host} --username '${robot}'` };
    case "k3s":
    case "rke2":
      return { value: `configs:\n  "${host}":\n    auth:\n      username: "${robot}"\n      password: "${token}"`, inFiles: true };
  }
}

// fetchAuthority gets the site's certificate, and shows what has to be compared.
export function fetchAuthority(registry: string): string {
  return `curl --insecure --output ca.pem ${registry}/api/v1/tls/ca.pem\nopenssl x509 -in ca.pem -noout -fingerprint -sha256`;
}

// save lets the browser download a text.
export function save(name: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
