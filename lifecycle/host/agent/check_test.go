package agent

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// check is what a check finds: "severity check", in order, each once, and all texts.
func (k *kit) check(id string, c host.Check) (list []string, texts string) {
	k.Helper()
	r := k.done(host.Op{ID: id, Check: &c})
	var out host.Checked
	k.must(r.Decode(&out))
	for _, f := range out.Findings {
		list = append(list, string(f.Severity)+" "+f.Check)
		texts += f.Text + "\n"
	}
	slices.Sort(list)
	return slices.Compact(list), texts
}

func portOfListener(t *testing.T, l net.Listener) int {
	t.Helper()
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A host with nothing wrong is found fit, and everything that is wrong with one is told.
func TestCheck(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	fit := host.Check{Space: []host.Space{{Path: "/var/lib/containerd", Bytes: 1}}, Kernel: true, Clean: true}
	if list, texts := k.check("fit", fit); len(list) != 0 {
		t.Errorf("found: %q", texts)
	}
	l, err := net.Listen("tcp", ":0")
	k.must(err)
	defer l.Close()
	port := portOfListener(t, l)
	k.inventory.Kernel = host.Kernel{Swap: 1, Modules: map[string]bool{"overlay": true, "br_netfilter": false}}
	k.runtime = brokenRuntime{}
	k.close()
	k.open()
	for _, path := range []string{adminConfig, "/var/lib/rancher/k3s/server/db/state.db", manifests + "/etcd.yaml", networkFolder + "/10-x.conflist"} {
		k.write(path, "", 0o600)
	}
	unfit := host.Check{Ports: []int{port}, Space: []host.Space{{Path: "/var/lib/containerd", Bytes: 1 << 60}}, Kernel: true, Clean: true,
		Peers: []host.Peer{{Name: "other", Address: "127.0.0.1", Port: port}}, Canary: &host.Image{Name: "x"}, Source: &host.Source{URL: "https://x"}}
	list, texts := k.check("unfit", unfit)
	if want := []string{"blocks clean", "blocks disk", "blocks port", "blocks source", "blocks swap", "warning clean", "warning kernel"}; !slices.Equal(list, want) {
		t.Errorf("found %q, want %q", list, want)
	}
	for _, text := range []string{strconv.Itoa(port) + " is in use", adminConfig, "/var/lib/rancher/k3s/server/db is there", manifests + "/etcd.yaml", networkFolder + "/10-x.conflist", "br_netfilter", "no canary"} {
		if !strings.Contains(texts, text) {
			t.Errorf("nothing is said of %q:\n%s", text, texts)
		}
	}
}

// brokenRuntime is one that cannot pull.
type brokenRuntime struct{ noRuntime }

func (brokenRuntime) Canary(context.Context, host.Source, host.Image) error {
	return errors.New("no canary")
}

// Peers find the ports at which a host will listen, until something may want them.
func TestCheckListens(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	l, err := net.Listen("tcp", ":0") // a port that is free afterwards
	k.must(err)
	port := portOfListener(t, l)
	l.Close()
	peer := host.Peer{Name: "itself", Address: "127.0.0.1", Port: port}
	list, texts := k.check("c1", host.Check{Ports: []int{port}, Listen: []int{port}, For: 60, Peers: []host.Peer{peer}})
	if len(list) != 0 {
		t.Fatalf("found: %s", texts)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := reach(ctx, peer, make(chan struct{}, 1)); err != nil {
		t.Errorf("a peer does not reach it: %v", err)
	}
	k.done(host.Op{ID: "u1", Unit: &host.Unit{Act: host.Reload}})
	short, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	var found []string
	tk := &task{Agent: k.agent, tell: func(host.Progress) {}}
	tk.checkPeers(short, []host.Peer{peer}, func(check, _ string, _ ...any) { found = append(found, check) })
	if !slices.Equal(found, []string{"reach"}) {
		t.Errorf("it still listens, or nothing is said: %q", found)
	}
}
