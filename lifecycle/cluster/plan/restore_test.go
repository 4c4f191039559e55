package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// A cluster begins on its first host with the state that it had, its old nodes are gone
// before others join, and the host that is called as before stays.
func TestRestore(t *testing.T) {
	t.Parallel()
	p, err := plan.Restore(input(t, 3, 1), plan.State{As: "state-shop", Digest: sum("state"), Nodes: []string{"c1", "old2", "w1"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gate: closure", "gate: pin", "preflight: c1 c2 c3 w1", "preflight: compare", "install: c1 c2 c3 w1", "stage: c1 c2 c3 w1",
		"control-plane: c1", "leave: leave.nodes", "join: c2", "join: c3", "join: w1", "add-ons: net", "add-ons: add-ons.nodes", "add-ons: shop", "verify: cluster", "finish: settle",
	}
	if got := phases(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	keeps(t, p)
	var did []string
	for _, w := range p.Waves {
		for _, a := range slices.Concat(actsOf(w)...) {
			switch {
			case a.Host != nil && a.Host.Op.Carry != nil:
				did = append(did, "carry "+a.Host.Op.Carry.Snapshot)
			case a.Host != nil && a.Host.Op.Kubeadm != nil:
				did = append(did, string(a.Host.Op.Kubeadm.Step)+" "+a.Host.Op.Kubeadm.State)
				if a.Host.Op.Kubeadm.Step == host.Init && a.Host.Op.Kubeadm.Address == "" {
					t.Error("the state is made for no address")
				}
			case a.Kube != nil && a.Kube.Do == cluster.RemoveNode:
				did = append(did, "remove "+a.Kube.Node)
			}
		}
	}
	if got := strings.Join(did, ", "); got != "carry restored, init restored, remove old2, remove w1, join , join , join " {
		t.Errorf("%q", got)
	}
	in := input(t, 1, 0)
	in.To.Kubernetes.Distribution = "k3s"
	if _, err := plan.Restore(in, plan.State{}); err == nil || !strings.Contains(err.Error(), "kubeadm only") {
		t.Errorf("of k3s: %v", err)
	}
}

func actsOf(w cluster.Wave) (list [][]cluster.Act) {
	for _, s := range w.Steps {
		list = append(list, s.Acts)
	}
	return list
}
