package plan

import (
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Rollback makes the plan that brings a cluster back from From, which it runs or was
// being upgraded to, to To, whose content it still has: layers first, then hosts, the
// workers before the control plane. A control plane goes back to an earlier minor
// version of Kubernetes by the snapshot before the upgrade only: with snapshot, and what
// was written since is lost; ErrConflict without.
func Rollback(in Input, snapshot bool) (*cluster.Plan, error) {
	m, err := newMove(cluster.Rollback, in)
	if err != nil {
		return nil, err
	}
	m.ahead()
	if err := m.stageAll(m.To); err != nil {
		return nil, err
	}
	if driver.Minor(in.From.Kubernetes.Version) != driver.Minor(in.To.Kubernetes.Version) {
		err = m.minorBack(snapshot)
	} else {
		m.layersBack()
		err = m.roll(m.rolling(), m.driver.Return, "return")
	}
	if err != nil {
		return nil, err
	}
	m.verify()
	return m.plan, m.settle(nil)
}

// layersBack brings layers back, the last one first.
func (m *maker) layersBack() {
	back := changed(m.From, m.To)
	slices.Reverse(back)
	m.layers(back)
	m.drop(removed(m.From, m.To))
}

// minorBack brings a cluster back to an earlier minor version: workers first, since
// theirs may be older than the control plane's and not newer, and layers when its state
// is the old one again.
func (m *maker) minorBack(snapshot bool) error {
	if err := m.mayRestore(snapshot); err != nil {
		return err
	}
	if err := m.roll(workers(m.rolling()), m.driver.Return, "return"); err != nil {
		return err
	}
	if err := m.restore(); err != nil {
		return err
	}
	m.layersBack()
	return nil
}

// mayRestore wants somebody's word for it, and a control plane of one host.
func (m *maker) mayRestore(allowed bool) error {
	what := fmt.Sprintf("from Kubernetes %s to %s", m.From.Kubernetes.Version, m.To.Kubernetes.Version)
	switch {
	case !allowed:
		return fmt.Errorf("cluster %s: %w: a control plane cannot go back %s but by the snapshot of etcd from before the upgrade: with --restore-snapshot that is done, and everything that was written to the cluster since is lost",
			m.Spec.Name, registry.ErrConflict, what)
	case len(controls(m.setting.Nodes)) > 1:
		return fmt.Errorf("cluster %s: %w: going back %s is possible with a control plane of one host; this one has %d: form a new cluster from a backup",
			m.Spec.Name, registry.ErrConflict, what, len(controls(m.setting.Nodes)))
	}
	return nil
}

// restore brings the control plane's state back that was before the upgrade.
func (m *maker) restore() error {
	first := m.setting.Nodes[0]
	acts, err := m.driver.Restore(m.setting, first, snapshotName(m.To))
	if err != nil {
		return err
	}
	m.wave(cluster.FirstHost, cluster.Step{ID: string(cluster.FirstHost) + "-restore", Host: first.Name, Windowed: true,
		Title: "restore the control plane on " + first.Name + " from the snapshot before the upgrade; what was written since is lost", Acts: acts})
	return nil
}

// Delete makes the plan that takes a cluster apart. With force, hosts that are away are
// let go as they are.
func Delete(in Input, force bool) (*cluster.Plan, error) {
	m, err := newMaker(cluster.Delete, in)
	if err != nil {
		return nil, err
	}
	nodes := m.setting.Nodes
	if force {
		nodes = slices.DeleteFunc(slices.Clone(nodes), func(n driver.Node) bool {
			return slices.ContainsFunc(in.Hosts, func(h host.Host) bool { return h.Name == n.Name && !h.Online })
		})
	}
	for _, group := range [][]driver.Node{workers(nodes), controls(nodes)} {
		steps, err := m.each(cluster.Cleanup, group, func(n driver.Node) (cluster.Step, error) {
			acts, err := m.driver.Remove(m.setting, n)
			return cluster.Step{Title: "clean " + n.Name, Acts: acts}, err
		})
		if err != nil {
			return nil, err
		}
		m.wave(cluster.Cleanup, steps...)
	}
	m.one(cluster.Finish, "forget", "let the hosts and the content go", cluster.SiteAct{Do: cluster.Forget})
	return m.plan, nil
}
