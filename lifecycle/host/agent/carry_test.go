package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// appliance is one that takes and gives a file.
type appliance struct {
	Client
	has    string
	broken int // answers that break off before one is whole
}

func (a *appliance) SendFile(_ context.Context, id string, content io.ReadSeeker, size int64) error {
	got, err := io.ReadAll(content)
	if a.has = id + ": " + string(got); int64(len(got)) != size {
		return registry.ErrSize
	}
	return err
}

func (a *appliance) ReceiveFile(_ context.Context, _ string, take func(io.Reader) error) error {
	if a.broken > 0 {
		a.broken--
		return take(io.MultiReader(strings.NewReader(a.has[:3]), &breaking{}))
	}
	return take(strings.NewReader(a.has))
}

type breaking struct{}

func (*breaking) Read([]byte) (int, error) { return 0, registry.ErrUnreachable }

func (k *kit) snapshotFile(name string) string {
	return filepath.Join(k.dir, "data/snapshots", name+".db")
}

// A snapshot goes to the appliance and is gone from the host; it comes back across an
// answer that breaks off, and only with its digest.
func TestCarry(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.must(os.WriteFile(k.snapshotFile("one"), []byte("state"), 0o600))
	if r := k.agent.Do(t.Context(), host.Op{ID: "early", Carry: &host.Carry{Snapshot: "one", As: "x"}}, nil); r.State != host.Failed {
		t.Errorf("without an appliance: %+v", r)
	}
	site := &appliance{}
	k.agent.speakTo(site)
	k.done(host.Op{ID: "send", Carry: &host.Carry{Snapshot: "one", As: "x"}})
	if _, err := os.Stat(k.snapshotFile("one")); site.has != "x: state" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the appliance has %q; %v", site.has, err)
	}
	site.has, site.broken = "other state", 1
	back := host.Carry{Snapshot: "two", As: "x", Receive: true, Digest: digest.FromString("other state")}
	k.done(host.Op{ID: "receive", Carry: &back})
	if got, err := os.ReadFile(k.snapshotFile("two")); err != nil || string(got) != "other state" {
		t.Errorf("%q, %v", got, err)
	}
	site.has = "not asked for"
	k.done(host.Op{ID: "again", Carry: &back})
	back.Snapshot = "three"
	if r := k.agent.Do(t.Context(), host.Op{ID: "damaged", Carry: &back}, nil); r.State != host.Failed || r.Error.Kind != "digest" {
		t.Errorf("%+v", r.Error)
	}
	if _, err := os.Stat(k.snapshotFile("three")); !errors.Is(err, os.ErrNotExist) {
		t.Error("what is damaged is there")
	}
}

// A cluster that begins with a state has it before kubeadm looks, which takes it for that
// of nobody else; begun again after a failure, it has it again.
func TestBeginWithState(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.must(os.WriteFile(k.snapshotFile("restored"), []byte("state"), 0o600))
	k.program("etcdutl", `while [ $# -gt 0 ]; do [ "$1" = --data-dir ] && { mkdir -p "$2/member/snap" && echo restored >"$2/member/snap/db"; }; shift; done`)
	k.program("kubeadm", `root="${0%/usr/bin/*}"; case "$1" in
init) cat "$root/var/lib/etcd/member/snap/db" >>"$root/seen"; mkdir -p "$root/etc/kubernetes"; : >"$root/etc/kubernetes/kubelet.conf"
  [ -e "$root/broken" ] && exit 1; exit 0;;
reset) rm -rf "$root/var/lib/etcd" "$root/etc/kubernetes/kubelet.conf";; esac`)
	k.write("/broken", "", 0o644)
	op := host.Op{ID: "init-1", Kubeadm: &host.Kubeadm{Step: host.Init, Config: []byte("{}"), Node: "c1", Address: "10.0.0.1", State: "restored"}}
	if r := k.agent.Do(t.Context(), op, nil); r.State != host.Failed {
		t.Fatalf("%+v", r)
	}
	k.must(os.Remove(filepath.Join(k.root, "broken")))
	op.ID = "init-2"
	k.done(op)
	if got := k.read("/seen"); got != "restored\nrestored\n" {
		t.Errorf("kubeadm has seen %q", got)
	}
	if got := k.read("/kubeadm.log"); !strings.Contains(got, "--ignore-preflight-errors=DirAvailable--var-lib-etcd") || !strings.Contains(got, "reset -f") {
		t.Errorf("%s", got)
	}
	if got := k.read("/etcdutl.log"); !strings.Contains(got, "--name c1 --initial-cluster c1=https://10.0.0.1:2380") {
		t.Errorf("%s", got)
	}
}
