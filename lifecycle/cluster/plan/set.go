package plan

import (
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// Set makes the plan that applies layers again whose objects are rendered otherwise, since
// variables have other values. Variables reach rendered objects only, so that no host is
// touched.
func Set(in Input, layers []string) (*cluster.Plan, error) {
	m, err := newMaker(cluster.Set, in)
	if err != nil {
		return nil, err
	}
	m.plan.From = m.plan.To
	var list []definition.Layer
	for _, l := range in.To.Layers {
		if slices.Contains(layers, l.Name) && applies(&l) {
			list = append(list, l)
		}
	}
	if len(list) != len(layers) || len(list) == 0 {
		return nil, fmt.Errorf("definition %s: %w: layers %q are not all of its own, with objects", m.plan.To, registry.ErrInvalid, layers)
	}
	m.one(cluster.Gate, "closure", "prove that all content of "+m.plan.To+" is here", cluster.SiteAct{Do: cluster.CheckClosure, Definition: m.plan.To})
	m.one(cluster.Gate, "pin", "keep that content", cluster.SiteAct{Do: cluster.PinContent, Definition: m.plan.To, As: ownerRunning})
	m.layers(list)
	m.verify()
	return m.plan, nil
}
