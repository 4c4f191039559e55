package plan

import (
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
)

// Renew makes the plan that makes the certificates of a cluster's hosts new, one host
// after another, control planes first. Nothing of a definition is needed for it, so that
// no gate is asked: what has ended can be renewed whatever the site has.
func Renew(in Input) (*cluster.Plan, error) {
	m, err := newMaker(cluster.Renew, in)
	if err != nil {
		return nil, err
	}
	m.plan.From = m.plan.To
	health := time.Duration(m.Spec.Upgrade.Health)
	for _, n := range slices.Concat(controls(m.setting.Nodes), workers(m.setting.Nodes)) {
		steps, err := m.each(cluster.Roll, []driver.Node{n}, func(n driver.Node) (cluster.Step, error) {
			acts, err := m.driver.Renew(m.setting, n)
			if len(acts) > 0 {
				acts = append(acts, m.awaitNode(n), kubeAct(cluster.KubeAct{Do: cluster.CheckHealth, Limit: health}))
			}
			return cluster.Step{Title: "renew the certificates of " + n.Name, Windowed: true, Acts: acts}, err
		})
		if err != nil {
			return nil, err
		}
		m.wave(cluster.Roll, slices.DeleteFunc(steps, func(s cluster.Step) bool { return len(s.Acts) == 0 })...)
	}
	return m.plan, nil
}
