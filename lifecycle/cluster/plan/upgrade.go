package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Stage makes the plan that brings all content of a definition to a cluster's hosts,
// ahead of an upgrade.
func Stage(in Input) (*cluster.Plan, error) {
	m, err := newMove(cluster.Stage, in)
	if err != nil {
		return nil, err
	}
	m.ahead()
	return m.plan, m.stageAll(m.To)
}

// newMove is a maker of plans from one definition to another.
func newMove(kind cluster.RunKind, in Input) (*maker, error) {
	if in.From == nil {
		return nil, fmt.Errorf("cluster %s: %w: it does not run any definition yet", in.Spec.Name, registry.ErrConflict)
	}
	m, err := newMaker(kind, in)
	if err != nil {
		return nil, err
	}
	if nameOf(in.From) == nameOf(in.To) {
		return nil, fmt.Errorf("cluster %s: %w: it runs %s already", in.Spec.Name, registry.ErrConflict, m.plan.To)
	}
	if a, b := in.From.Kubernetes.Distribution, in.To.Kubernetes.Distribution; a != b {
		return nil, fmt.Errorf("cluster %s: %w: it is made by %s, and %s is of %s: form a new cluster", in.Spec.Name, registry.ErrInvalid, a, m.plan.To, b)
	}
	return m, nil
}

// ahead proves and keeps the content at the site.
func (m *maker) ahead() {
	m.one(cluster.Gate, "closure", "prove that all content of "+m.plan.To+" is here", cluster.SiteAct{Do: cluster.CheckClosure, Definition: m.plan.To})
	m.one(cluster.Gate, "pin", "keep that content", cluster.SiteAct{Do: cluster.PinContent, Definition: m.plan.To, As: ownerStaged})
	m.source()
}

// stageAll brings images and providers of a definition to all hosts; what runs there
// stays as it is.
func (m *maker) stageAll(d *definition.Definition) error {
	steps, err := m.each(cluster.StageContent, m.setting.Nodes, func(n driver.Node) (cluster.Step, error) {
		acts := []cluster.Act{m.pull(d, n, ownerStaged)}
		for _, p := range driver.Providers(m.setting, n) {
			p.Stage = true
			acts = append(acts, hostAct(n.Name, host.Op{Provider: &p}))
		}
		return cluster.Step{Title: "bring images to " + n.Name, Limit: stageLimit, Acts: acts}, nil
	})
	m.wave(cluster.StageContent, steps...)
	return err
}

// Upgrade makes the plan that brings a cluster to another definition: hosts first, one
// after another, then layers. Hosts for which nothing changes are not touched.
func Upgrade(in Input) (*cluster.Plan, error) {
	m, err := newMove(cluster.Upgrade, in)
	if err != nil {
		return nil, err
	}
	if err := driver.Skew(in.From.Kubernetes.Version, in.To.Kubernetes.Version); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", in.Spec.Name, err)
	}
	if err := m.noReboot(); err != nil {
		return nil, err
	}
	m.ahead()
	if err := m.stageAll(m.To); err != nil {
		return nil, err
	}
	roll := m.rolling()
	if len(roll) > 0 {
		if err := m.backup(); err != nil {
			return nil, err
		}
		if err := m.roll(roll, m.driver.Upgrade, "upgrade"); err != nil {
			return nil, err
		}
	}
	m.layers(changed(in.From, in.To))
	m.drop(removed(in.From, in.To))
	m.verify()
	return m.plan, m.settle(in.From)
}

// noReboot refuses what hosts would have to be started again for: no operation does it.
func (m *maker) noReboot() error {
	for _, l := range m.To.Layers {
		i := slices.IndexFunc(m.From.Layers, func(old definition.Layer) bool { return old.Name == l.Name })
		same := i >= 0 && slices.Equal(hostParts(&definition.Definition{Layers: []definition.Layer{m.From.Layers[i]}}, ""), hostParts(&definition.Definition{Layers: []definition.Layer{l}}, ""))
		if l.Upgrade.Policy == "reboot" && onHosts(&l) && !same {
			return fmt.Errorf("layer %s: %w: its upgrade policy is reboot, and this version does not start hosts again: change the policy to drain, or the layer on new hosts", l.Name, registry.ErrInvalid)
		}
	}
	return nil
}

// rolling are the nodes on which something changes.
func (m *maker) rolling() (list []driver.Node) {
	for _, n := range m.setting.Nodes {
		if touched(m.From, m.To, registry.PlatformString(n.Platform)) {
			list = append(list, n)
		}
	}
	return list
}

// backup saves the state before anything of the control plane changes.
func (m *maker) backup() error {
	n := m.setting.Nodes[0]
	acts, err := m.driver.Snapshot(m.setting, n, snapshotName(m.From))
	m.wave(cluster.Backup, cluster.Step{ID: string(cluster.Backup) + "-etcd", Host: n.Name, Title: "save the state of the control plane on " + n.Name, Acts: acts})
	return err
}

// snapshotName is how a snapshot is called that was taken while a definition ran.
func snapshotName(d *definition.Definition) string {
	name := []byte("before-" + d.Name + "-" + d.Version)
	for i, b := range name {
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') {
			name[i] = '-'
		}
	}
	return string(name)
}

// roll changes nodes: the control plane's one by one, then workers in waves.
func (m *maker) roll(nodes []driver.Node, do func(*driver.Setting, driver.Node) ([]cluster.Act, error), what string) error {
	width := map[bool]int{false: 1, true: max(m.Spec.Upgrade.Wave, 1)}
	for _, group := range [][]driver.Node{controls(nodes), workers(nodes)} {
		steps, err := m.each(cluster.Roll, group, func(n driver.Node) (cluster.Step, error) { return m.rollOne(n, do, what) })
		if err != nil {
			return err
		}
		wave := 1
		if len(group) > 0 {
			wave = width[group[0].Role == driver.Worker]
		}
		for part := range slices.Chunk(steps, wave) {
			m.wave(cluster.Roll, part...)
		}
	}
	return nil
}

// rollOne changes one node: empty, changed, well, and let back.
func (m *maker) rollOne(n driver.Node, do func(*driver.Setting, driver.Node) ([]cluster.Act, error), what string) (cluster.Step, error) {
	drain, health := time.Duration(m.Spec.Upgrade.Drain), time.Duration(m.Spec.Upgrade.Health)
	s := cluster.Step{Title: "drain and " + what + " " + n.Name, Limit: drain + 3*health, Windowed: true}
	changes, err := do(m.setting, n)
	if err != nil {
		return s, err
	}
	s.Acts = append(s.Acts, kubeAct(cluster.KubeAct{Do: cluster.Drain, Node: n.Name, Limit: drain}))
	s.Acts = append(s.Acts, changes...)
	s.Acts = append(s.Acts,
		kubeAct(cluster.KubeAct{Do: cluster.AwaitNode, Node: n.Name, Version: m.To.Kubernetes.Version, Fresh: m.From.Kubernetes.Version == m.To.Kubernetes.Version, Limit: health}),
		kubeAct(cluster.KubeAct{Do: cluster.AwaitPods, Node: n.Name, Limit: health}),
		kubeAct(cluster.KubeAct{Do: cluster.Uncordon, Node: n.Name, Limit: health}),
		kubeAct(cluster.KubeAct{Do: cluster.CheckHealth, Limit: health}))
	return s, nil
}

// drop takes layers out of the cluster.
func (m *maker) drop(list []definition.Layer) {
	health := time.Duration(m.Spec.Upgrade.Health)
	for _, l := range list {
		m.wave(cluster.Cleanup, cluster.Step{ID: string(cluster.Cleanup) + "-" + l.Name, Title: "take layer " + l.Name + " out",
			Acts: []cluster.Act{kubeAct(cluster.KubeAct{Do: cluster.RemoveLayer, Layer: l.Name, Limit: health})}})
	}
}

// settle ends a move: hosts keep what runs now and, when there is one, what ran before
// it, and let go of everything else. All of it is there: nothing is moved.
func (m *maker) settle(before *definition.Definition) error {
	steps, err := m.each(cluster.Finish, m.setting.Nodes, func(n driver.Node) (cluster.Step, error) {
		acts := []cluster.Act{m.pull(m.To, n, ownerRunning)}
		if before != nil {
			acts = append(acts, m.pull(before, n, ownerPrevious))
		} else {
			acts = append(acts, cluster.Act{Host: &cluster.HostAct{Host: n.Name, Op: host.Op{Unpin: &host.Unpin{Owner: ownerPrevious}}}})
		}
		acts = append(acts, cluster.Act{Host: &cluster.HostAct{Host: n.Name, Op: host.Op{Unpin: &host.Unpin{Owner: ownerStaged}}}})
		return cluster.Step{Title: "let " + n.Name + " keep what it needs", Acts: acts}, nil
	})
	m.wave(cluster.Finish, steps...)
	m.one(cluster.Finish, "settle", "note that "+m.plan.To+" runs", cluster.SiteAct{Do: cluster.Settle, Definition: m.plan.To})
	return err
}
