package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Scale makes the plan that gives a cluster other hosts: dead control planes leave etcd
// first, so that it does not grow with them, then hosts join, and others leave. in.Spec
// is Ordered. With force, hosts that are away leave as they are.
func Scale(in Input, was Was, force bool) (*cluster.Plan, error) {
	s, err := newScale(in, was, force)
	if err != nil {
		return nil, err
	}
	if err := s.allowed(); err != nil {
		return nil, err
	}
	s.one(cluster.Gate, "closure", "prove that all content of "+s.plan.To+" is here", cluster.SiteAct{Do: cluster.CheckClosure, Definition: s.plan.To})
	s.one(cluster.Gate, "pin", "keep that content", cluster.SiteAct{Do: cluster.PinContent, Definition: s.plan.To, As: ownerRunning}, cluster.SiteAct{Do: cluster.StageSource, Definition: s.plan.To})
	order := []func() error{s.cleanBegun, s.checkNew, s.leaveDead, s.install, s.pullNew, s.joinNew, s.label, s.leave}
	if !s.driver.Early() {
		order = []func() error{s.cleanBegun, s.checkNew, s.leaveDead, s.install, s.joinNew, s.pullNew, s.label, s.leave}
	}
	for _, add := range order {
		if err := add(); err != nil {
			return nil, err
		}
	}
	s.verify()
	return s.plan, nil
}

// scale makes one such plan.
type scale struct {
	*maker
	was     Was
	force   bool
	fresh   []driver.Node // that join
	stayed  []driver.Node // that were nodes before
	gone    []driver.Node // that leave
	dead    map[string]bool
	through driver.Node // a control plane that stays and is here
}

func newScale(in Input, was Was, force bool) (*scale, error) {
	m, err := newMaker(cluster.Scale, in)
	if err != nil {
		return nil, err
	}
	m.plan.From = m.plan.To
	s := &scale{maker: m, was: was, force: force, dead: map[string]bool{}}
	for _, n := range m.setting.Nodes {
		if was.Spec.Pool(n.Name) == "" {
			s.fresh = append(s.fresh, n)
		} else {
			s.stayed = append(s.stayed, n)
		}
	}
	for _, h := range slices.Concat(in.Hosts, was.Hosts) {
		s.dead[h.Name] = !h.Online
	}
	s.gone = s.leaving()
	for _, n := range controls(s.stayed) {
		if !s.dead[n.Name] && s.through.Name == "" {
			s.through = n
		}
	}
	return s, nil
}

// leaving are the hosts that leave: those of the spec before, whether the site still
// knows them or not, and those of a run that stopped.
func (s *scale) leaving() (list []driver.Node) {
	names := s.was.Spec.Hosts()
	for _, h := range s.was.Hosts {
		if !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
	}
	for _, name := range names {
		if s.Spec.Pool(name) != "" {
			continue
		}
		n := driver.Node{Name: name, Role: driver.Control} // also one of a run that stopped, which may have been
		if pool := s.was.Spec.Pool(name); pool != "" && pool != cluster.ControlPlanePool {
			n.Role = driver.Worker
		}
		i := slices.IndexFunc(s.was.Hosts, func(h host.Host) bool { return h.Name == name })
		if i < 0 {
			s.dead[name] = true
		} else {
			n.Address, n.Platform = s.was.Hosts[i].Address, s.was.Hosts[i].Platform()
		}
		list = append(list, n)
	}
	return list
}

// allowed proves that the cluster can be scaled so.
func (s *scale) allowed() error {
	if err := sameButHosts(s.was.Spec, s.Spec); err != nil {
		return err
	}
	if s.through.Name == "" {
		return fmt.Errorf("cluster %s: %w: no host of its control plane (%s) would stay that is here: add others first, or form it again with 'landfall cluster restore'",
			s.Spec.Name, registry.ErrConflict, strings.Join(s.was.Spec.ControlPlane.Hosts, ", "))
	}
	for _, n := range s.gone {
		if s.dead[n.Name] && !s.force {
			return fmt.Errorf("host %s: %w: its agent is away, so that it cannot be cleaned: with --force it leaves as it is", n.Name, registry.ErrUnreachable)
		}
	}
	for _, n := range s.fresh {
		if s.dead[n.Name] {
			return fmt.Errorf("host %s: %w: its agent is away: 'landfall host show %s' tells when it was heard of", n.Name, registry.ErrUnreachable, n.Name)
		}
	}
	if len(s.fresh)+len(s.gone) == 0 && len(s.relabelled()) == 0 {
		return fmt.Errorf("cluster %s: %w: it has these hosts and pools already", s.Spec.Name, registry.ErrConflict)
	}
	return s.quorum()
}

// quorum proves that etcd has the majority of its members after each change of them.
func (s *scale) quorum() error {
	members, here := 0, 0
	for _, name := range s.was.Spec.ControlPlane.Hosts {
		members++
		if !s.dead[name] {
			here++
		}
	}
	enough := func(what string) error {
		if here > members/2 {
			return nil
		}
		return fmt.Errorf("cluster %s: %w: %s, %d of %d members of etcd would be here, which is no majority: nothing could be changed any more. Bring hosts back, or form it again with 'landfall cluster restore'",
			s.Spec.Name, registry.ErrConflict, what, here, members)
	}
	if err := enough("as it is"); err != nil {
		return err
	}
	dead, living := s.leavers(driver.Control)
	stopped := func(n driver.Node) bool { return s.was.Spec.Pool(n.Name) == "" } // of a run that stopped: no member that counts
	dead, living = slices.DeleteFunc(dead, stopped), slices.DeleteFunc(living, stopped)
	for _, n := range dead {
		members--
		if err := enough("without " + n.Name); err != nil {
			return err
		}
	}
	joining := len(controls(s.fresh)) // which does not cost a majority
	members, here = members+joining, here+joining
	for _, n := range living {
		members, here = members-1, here-1
		if err := enough("without " + n.Name); err != nil {
			return err
		}
	}
	return nil
}

// leavers are those that leave of a role, the dead and the living.
func (s *scale) leavers(role driver.Role) (dead, living []driver.Node) {
	for _, n := range s.gone {
		switch {
		case n.Role != role:
		case s.dead[n.Name]:
			dead = append(dead, n)
		default:
			living = append(living, n)
		}
	}
	return dead, living
}

// cleanBegun cleans hosts that join and that a run that stopped has begun with.
func (s *scale) cleanBegun() error {
	var begun []driver.Node
	for _, n := range s.fresh {
		if slices.ContainsFunc(s.was.Hosts, func(h host.Host) bool { return h.Name == n.Name }) {
			begun = append(begun, n)
		}
	}
	steps, err := s.each(cluster.Cleanup, begun, func(n driver.Node) (cluster.Step, error) {
		acts, err := s.driver.Remove(s.setting, n)
		return cluster.Step{Title: "clean " + n.Name + ", which was begun with before", Acts: append(s.driver.Leave(n, s.through), acts...)}, err
	})
	s.wave(cluster.Cleanup, steps...)
	return err
}

// checkNew checks the hosts that join, and has those that are there reach them.
func (s *scale) checkNew() error {
	if len(s.fresh) == 0 {
		return nil
	}
	steps, err := s.each(cluster.Preflight, s.fresh, func(n driver.Node) (cluster.Step, error) {
		step := s.checkHost(n)
		step.Acts[0].Host.Op.Check.Peers = s.peers(s.here())
		return step, nil
	})
	if err != nil {
		return err
	}
	reach, err := s.each(cluster.Preflight, s.here(), func(n driver.Node) (cluster.Step, error) {
		return cluster.Step{Title: "reach the new hosts from " + n.Name, Limit: checkLimit, Acts: []cluster.Act{hostAct(n.Name, host.Op{Check: &host.Check{}})}}, nil
	})
	if err != nil {
		return err
	}
	s.wave(cluster.Preflight, append(steps, reach...)...)
	s.plan.Waves[len(s.plan.Waves)-1].Peers = s.peers(s.fresh)
	s.one(cluster.Preflight, "compare", "compare the hosts' ids and clocks", cluster.SiteAct{Do: cluster.ComparePeers})
	return nil
}

// here are the nodes that stay and can be asked.
func (s *scale) here() (list []driver.Node) {
	for _, n := range s.stayed {
		if !s.dead[n.Name] {
			list = append(list, n)
		}
	}
	return list
}

// leaveDead takes dead hosts out of etcd and of the cluster.
func (s *scale) leaveDead() error {
	dead, _ := s.leavers(driver.Control)
	workers, _ := s.leavers(driver.Worker)
	for _, n := range dead { // etcd changes one by one
		s.wave(cluster.Leaving, s.letGo(n, s.driver.Leave(n, s.through)))
	}
	var steps []cluster.Step
	for _, n := range workers {
		steps = append(steps, s.letGo(n, nil))
	}
	s.wave(cluster.Leaving, steps...)
	return nil
}

func (s *scale) letGo(n driver.Node, acts []cluster.Act) cluster.Step {
	acts = append(acts, kubeAct(cluster.KubeAct{Do: cluster.RemoveNode, Node: n.Name, Limit: time.Duration(s.Spec.Upgrade.Health)}),
		cluster.Act{Site: &cluster.SiteAct{Do: cluster.ReleaseHost, Host: n.Name}})
	return cluster.Step{ID: string(cluster.Leaving) + "-" + n.Name, Host: n.Name, Title: "take " + n.Name + " out of the cluster; it is away and stays as it is", Acts: acts}
}

func (s *scale) install() error { return s.prepareNodes(s.fresh) }

func (s *scale) pullNew() error { return s.stageNodes(s.fresh) }

func (s *scale) joinNew() error { return s.joinNodes(s.fresh, true) }

// relabelled are the nodes that have other labels or taints from now on.
func (s *scale) relabelled() (list []driver.Node) {
	for _, n := range s.stayed {
		before, err := nodeOf(s.was.Spec, host.Host{Name: n.Name, Address: n.Address, Inventory: host.Inventory{Platform: registry.PlatformString(n.Platform)}})
		if err == nil && (!maps.Equal(before.Labels, n.Labels) || !slices.Equal(before.Taints, n.Taints)) {
			list = append(list, n)
		}
	}
	return list
}

func (s *scale) label() error {
	steps, err := s.each(cluster.Labelling, s.relabelled(), func(n driver.Node) (cluster.Step, error) {
		act := cluster.KubeAct{Do: cluster.LabelNode, Node: n.Name, Labels: n.Labels, Taints: n.Taints, Limit: time.Duration(s.Spec.Upgrade.Health)}
		return cluster.Step{Title: "give " + n.Name + " the labels and taints of its pool", Acts: []cluster.Act{kubeAct(act)}}, nil
	})
	s.wave(cluster.Labelling, steps...)
	return err
}

// leave takes living hosts out: workers in waves, then control planes one by one.
func (s *scale) leave() error {
	_, workers := s.leavers(driver.Worker)
	_, controls := s.leavers(driver.Control)
	for _, group := range []struct {
		nodes []driver.Node
		wave  int
	}{{workers, max(s.Spec.Upgrade.Wave, 1)}, {controls, 1}} {
		steps, err := s.each(cluster.Leaving, group.nodes, s.leaveOne)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(steps, group.wave) {
			s.wave(cluster.Leaving, part...)
		}
	}
	return nil
}

// leaveOne empties a host, takes it out of etcd and of the cluster, and cleans it.
func (s *scale) leaveOne(n driver.Node) (cluster.Step, error) {
	drain, health := time.Duration(s.Spec.Upgrade.Drain), time.Duration(s.Spec.Upgrade.Health)
	step := cluster.Step{Title: "drain " + n.Name + ", take it out of the cluster and clean it", Limit: drain + 3*health, Windowed: true}
	cleaned, err := s.driver.Remove(s.setting, n)
	if err != nil {
		return step, err
	}
	step.Acts = append(step.Acts, kubeAct(cluster.KubeAct{Do: cluster.Evacuate, Node: n.Name, Limit: drain, Force: s.force}))
	step.Acts = append(step.Acts, s.driver.Leave(n, s.through)...)
	step.Acts = append(step.Acts, kubeAct(cluster.KubeAct{Do: cluster.RemoveNode, Node: n.Name, Limit: health}))
	step.Acts = append(step.Acts, cleaned...)
	step.Acts = append(step.Acts, cluster.Act{Site: &cluster.SiteAct{Do: cluster.ReleaseHost, Host: n.Name}})
	return step, nil
}

// plain is a value as JSON has it.
func plain(v any) any {
	content, err := json.Marshal(v)
	var out any
	if err != nil || json.Unmarshal(content, &out) != nil {
		return v
	}
	return out
}
