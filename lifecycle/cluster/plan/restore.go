package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// State is the state of a cluster's etcd, as a backup has it.
type State struct {
	As     string // under which the appliance has it for the first host
	Digest digest.Digest
	Nodes  []string // that the cluster had
}

// stateName is how the snapshot is called on the first host.
const stateName = "restored"

// Restore makes the plan that forms a cluster of fresh hosts again from the state that it
// had elsewhere: the first host begins with it, nodes that were are taken out, others
// join. in.Spec has the fresh hosts.
func Restore(in Input, s State) (*cluster.Plan, error) {
	m, err := newMaker(cluster.Restore, in)
	if err != nil {
		return nil, err
	}
	if in.To.Kubernetes.Distribution != "kubeadm" {
		return nil, fmt.Errorf("definition %s: %w: this version restores clusters of kubeadm only, not of %s", m.plan.To, registry.ErrInvalid, in.To.Kubernetes.Distribution)
	}
	m.one(cluster.Gate, "closure", "prove that all content of "+m.plan.To+" is here", cluster.SiteAct{Do: cluster.CheckClosure, Definition: m.plan.To})
	m.one(cluster.Gate, "pin", "keep that content", cluster.SiteAct{Do: cluster.PinContent, Definition: m.plan.To, As: ownerStaged},
		cluster.SiteAct{Do: cluster.StageSource, Definition: m.plan.To}, cluster.SiteAct{Do: cluster.MakeKeys})
	first := func() error { return m.firstAgain(s) }
	for _, add := range []func() error{m.preflight, m.prepare, m.stage, first, m.join} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	m.layers(in.To.Layers)
	m.verify()
	m.one(cluster.Finish, "settle", "note that "+m.plan.To+" runs", cluster.SiteAct{Do: cluster.Settle, Definition: m.plan.To})
	return m.plan, nil
}

// firstAgain begins the control plane with the state that was, and takes its nodes out:
// who joins may be called like one of them.
func (m *maker) firstAgain(s State) error {
	n := m.setting.Nodes[0]
	acts, err := m.driver.Start(m.setting, n)
	if err != nil {
		return err
	}
	for _, a := range acts {
		if a.Host != nil && a.Host.Op.Kubeadm != nil && a.Host.Op.Kubeadm.Step == host.Init {
			a.Host.Op.Kubeadm.State, a.Host.Op.Kubeadm.Address = stateName, n.Address
		}
	}
	carry := cluster.Act{Host: &cluster.HostAct{Host: n.Name, Op: host.Op{Carry: &host.Carry{Snapshot: stateName, As: s.As, Receive: true, Digest: s.Digest}}}}
	m.wave(cluster.FirstHost, cluster.Step{ID: string(cluster.FirstHost) + "-" + n.Name, Host: n.Name, Title: "begin the control plane on " + n.Name + " with the state of the backup",
		Acts: slices.Insert(acts, 0, carry)})
	// The first host may be called like one that the cluster had: then its kubelet has begun
	// that one's pods before kubeadm has written where the control plane is now.
	step := cluster.Step{ID: string(cluster.Leaving) + ".nodes", Title: "take the nodes out that the cluster had",
		Acts: []cluster.Act{kubeAct(cluster.KubeAct{Do: cluster.RenewPods, Node: n.Name, Limit: time.Duration(m.Spec.Upgrade.Health)})}}
	for _, name := range s.Nodes {
		if name != n.Name {
			step.Acts = append(step.Acts, kubeAct(cluster.KubeAct{Do: cluster.RemoveNode, Node: name, Limit: time.Duration(m.Spec.Upgrade.Health)}))
		}
	}
	m.wave(cluster.Leaving, step)
	return nil
}
