package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// kubeadmStandIn does what kubeadm does to a host, and refuses what kubeadm refuses. It
// breaks off in the middle when there is a file break, and waits there when there is wait.
const kubeadmStandIn = `root="${0%/usr/bin/*}"
k="$root/etc/kubernetes"
middle() {
  if [ -e "$root/wait" ]; then echo > "$root/reached"; exec sleep 30; fi
  if [ -e "$root/break" ]; then echo "error: it broke" >&2; exit 1; fi
}
begin() {
  [ "$2" = --config ] && [ -f "$3" ] || { echo "no configuration" >&2; exit 2; }
  [ -e "$k/kubelet.conf" ] || [ -e "$k/manifests/kube-apiserver.yaml" ] && { echo "[ERROR FileAvailable] it is there" >&2; exit 1; }
  [ "$1" = init ] && [ ! -f "$k/pki/ca.key" ] && { echo "the authorities are gone" >&2; exit 1; }
  cp "$3" "$root/given.yaml"
  mkdir -p "$k/manifests" "$root/var/lib/kubelet"
  echo "from 1.36" > "$k/manifests/kube-apiserver.yaml"
  echo "from 1.36" > "$root/var/lib/kubelet/config.yaml"
  middle
  echo admin > "$k/admin.conf"; echo kubelet > "$k/kubelet.conf"
}
case "$1 $2" in
"init "*|"join "*) begin "$@";;
"reset -f") rm -rf "$k"/pki/* "$k"/manifests/* "$k"/*.conf "$root/var/lib/kubelet"/*;;
"upgrade apply") [ "$3" = -y ] || exit 2; echo "from $4" > "$root/var/lib/kubelet/config.yaml"; middle; echo "from $4" > "$k/manifests/kube-apiserver.yaml";;
"upgrade node") echo "from upgrade node" > "$root/var/lib/kubelet/config.yaml"; middle;;
"certs renew") [ "$3" = all ] || exit 2; echo renewed > "$k/admin.conf"; echo renewed > "$k/pki/apiserver.crt";;
*) echo "kubeadm has no command like $*" >&2; exit 2;;
esac`

func newControl(t *testing.T) *kit {
	t.Helper()
	k := newKit(t)
	k.program("kubeadm", kubeadmStandIn)
	k.done(host.Op{ID: "pki", Files: &host.Files{Put: []host.File{{Path: "/etc/kubernetes/pki/ca.key", Mode: 0o600, Content: []byte("key")}}}})
	return k
}

func initOp(id string) host.Op {
	return host.Op{ID: id, Kubeadm: &host.Kubeadm{Step: host.Init, Config: []byte("kind: InitConfiguration\n"), Ignore: []string{"Swap", "NumCPU"}}}
}

func (k *kit) calls(program string) []string {
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(k.read(program+".log"), k.root, "")), "\n")
}

// kubeadm gets its configuration for as long as it needs it. A step that came to its end
// is not done again, by another operation either.
func TestKubeadmBegins(t *testing.T) {
	t.Parallel()
	k := newControl(t)
	k.done(initOp("i1"))
	k.done(initOp("i1"))
	k.done(initOp("i2"))
	want := []string{"init --config /etc/kubernetes/landfall-kubeadm.yaml --ignore-preflight-errors=Swap,NumCPU"}
	if have := k.calls("kubeadm"); !slices.Equal(have, want) {
		t.Errorf("kubeadm was asked for %q, want %q", have, want)
	}
	if k.read("given.yaml") != "kind: InitConfiguration\n" || k.agent.tree.exists(stepConfig) {
		t.Errorf("kubeadm was given %q; the file is still there: %v", k.read("given.yaml"), k.agent.tree.exists(stepConfig))
	}
}

// What failed in the middle is taken back before it begins again, and the authorities,
// which the appliance made, stay.
func TestKubeadmFails(t *testing.T) {
	t.Parallel()
	k := newControl(t)
	k.write("/break", "", 0o644)
	if f := k.fails(initOp("i1")); !strings.Contains(f.Message, "it broke") {
		t.Errorf("%+v", f)
	}
	k.must(os.Remove(filepath.Join(k.root, "break")))
	k.done(initOp("i2"))
	if k.read("/etc/kubernetes/admin.conf") != "admin\n" || k.read("/etc/kubernetes/pki/ca.key") != "key" {
		t.Errorf("%q, %q", k.read("/etc/kubernetes/admin.conf"), k.read("/etc/kubernetes/pki/ca.key"))
	}
	if have := k.calls("kubeadm"); len(have) != 3 || have[1] != "reset -f" {
		t.Errorf("kubeadm was asked for %q", have)
	}
	if f := k.fails(host.Op{ID: "x", Kubeadm: &host.Kubeadm{Step: "dance"}}); f.Kind != "invalid" {
		t.Errorf("an unknown step: %+v", f)
	}
}

// An agent that is killed while kubeadm works does the step again, from its beginning.
func TestKubeadmKilled(t *testing.T) {
	t.Parallel()
	k := newControl(t)
	k.close()
	k.write("/wait", "", 0o644)
	c := k.start(initOp("i1"))
	k.until("the middle of kubeadm's step", func() bool { return k.read("reached") != "absent" })
	k.must(c.Process.Kill())
	if c.Wait() == nil {
		t.Fatal("the agent ended by itself: this proves nothing")
	}
	k.must(os.Remove(filepath.Join(k.root, "wait")))
	k.open()
	if r := k.done(initOp("i1")); r.Attempt != 2 {
		t.Errorf("attempt %d, want 2", r.Attempt)
	}
	if k.read("/etc/kubernetes/admin.conf") != "admin\n" || k.read("/etc/kubernetes/pki/ca.key") != "key" || k.agent.tree.exists(stepConfig) {
		t.Errorf("%q, %q, the configuration is there: %v", k.read("/etc/kubernetes/admin.conf"), k.read("/etc/kubernetes/pki/ca.key"), k.agent.tree.exists(stepConfig))
	}
	if have := k.calls("kubeadm"); len(have) != 3 || have[1] != "reset -f" {
		t.Errorf("kubeadm was asked for %q", have)
	}
}

// A node is told again what it was told before its upgrade, also when that was tried
// twice; without kubeadm. What was not upgraded stays.
func TestKubeadmReturns(t *testing.T) {
	t.Parallel()
	const config = "/var/lib/kubelet/config.yaml"
	k := newControl(t)
	k.done(initOp("i1"))
	k.write("/etc/kubernetes/patches/README", "", 0o644)
	upgrade := host.Op{ID: "u1", Kubeadm: &host.Kubeadm{Step: host.UpgradeApply, Version: "1.37.0", Ignore: []string{"CreateJob"}}}
	k.write("/break", "", 0o644)
	k.fails(upgrade)
	k.must(os.Remove(filepath.Join(k.root, "break")))
	upgrade.ID = "u2"
	k.done(upgrade)
	if k.read(config) != "from v1.37.0\n" {
		t.Fatalf("after the upgrade: %q", k.read(config))
	}
	k.done(host.Op{ID: "r0", Kubeadm: &host.Kubeadm{Step: host.Return, Version: "1.38.0"}})
	if k.read(config) != "from v1.37.0\n" {
		t.Errorf("an upgrade that never was is taken back: %q", k.read(config))
	}
	asked := len(k.calls("kubeadm"))
	k.done(host.Op{ID: "r1", Kubeadm: &host.Kubeadm{Step: host.Return, Version: "1.37.0"}})
	if k.read(config) != "from 1.36\n" || len(k.calls("kubeadm")) != asked {
		t.Errorf("after the return: %q, %q", k.read(config), k.calls("kubeadm")[asked:])
	}
	k.done(host.Op{ID: "u3", Kubeadm: &host.Kubeadm{Step: host.UpgradeNode, Version: "1.37.0"}})
	have := k.calls("kubeadm")
	if have[1] != "upgrade apply -y v1.37.0 --patches /etc/kubernetes/patches --ignore-preflight-errors=CreateJob --force" || have[3] != "upgrade node --patches /etc/kubernetes/patches" {
		t.Errorf("kubeadm was asked for %q", have)
	}
}
