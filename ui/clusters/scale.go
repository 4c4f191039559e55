package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// ScaleRequest is what hosts and pools a cluster is to have: a document of it, or what
// comes and goes.
type ScaleRequest struct {
	Document string `json:"document,omitempty" doc:"cluster.yaml with other hosts or pools"`
	plan.Resize
	Force bool `json:"force,omitempty" doc:"Hosts that are away leave as they are, and pods go that nobody will make again"`
}

// PlanScale is what scaling a cluster would do; nothing is begun.
func (c *Clusters) PlanScale(ctx context.Context, name string, r ScaleRequest) (*cluster.Plan, error) {
	_, p, err := c.scale(ctx, name, r)
	return p, err
}

// Scale begins to give a cluster other hosts or pools. ErrConflict when that would cost
// the control plane its majority, or a host belongs to another cluster.
func (c *Clusters) Scale(ctx context.Context, name string, r ScaleRequest) (*Cluster, error) {
	switch again, err := c.again(ctx, name, cluster.Scale); {
	case err != nil:
		return nil, err
	case again:
		return c.Get(ctx, name)
	}
	in, p, err := c.scale(ctx, name, r)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(in.Spec)
	if err != nil {
		return nil, err
	}
	taken, err := c.take(ctx, in.Spec)
	if err != nil {
		return nil, err
	}
	err = c.begin(ctx, p, func(tx *sql.Tx) error { return setRow(ctx, tx, name, `spec = ?`, string(content)) })
	if err != nil {
		return nil, errors.Join(err, c.giveBack(ctx, taken))
	}
	return c.Get(ctx, name)
}

// scale gathers what the plan is made of, and makes it.
func (c *Clusters) scale(ctx context.Context, name string, r ScaleRequest) (*plan.Input, *cluster.Plan, error) {
	have, err := c.running(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	was, err := c.was(ctx, have)
	if err != nil {
		return nil, nil, err
	}
	now, err := r.spec(have)
	if err != nil {
		return nil, nil, err
	}
	in, err := c.input(ctx, &row{name: name, spec: plan.Ordered(was.Spec, now)}, have.running, "")
	if err != nil {
		return nil, nil, err
	}
	takeSecret(in.Spec, in.To) // they are kept elsewhere
	for _, h := range in.Hosts {
		if h.Cluster != "" && h.Cluster != name {
			return nil, nil, fmt.Errorf("host %s: %w: it belongs to cluster %s", h.Name, registry.ErrConflict, h.Cluster)
		}
	}
	p, err := plan.Scale(*in, was, r.Force)
	return in, p, err
}

// spec is what the cluster is to be. The definition of a document has to be the one that
// runs: an upgrade is something else.
func (r *ScaleRequest) spec(have *row) (*cluster.Spec, error) {
	if (r.Document != "") == (len(r.Add)+len(r.Remove) > 0) {
		return nil, fmt.Errorf("cluster %s: %w: want a document, or hosts to add and to remove", have.name, registry.ErrInvalid)
	}
	document := []byte(r.Document)
	if r.Document == "" {
		changed, err := r.Apply(have.spec)
		if err != nil {
			return nil, err
		}
		changed.Definition = have.running
		if document, err = changed.Document(); err != nil {
			return nil, err
		}
	}
	s, err := cluster.Parse("cluster.yaml", document)
	if err == nil && s.Name == have.name && s.Definition != have.running {
		err = fmt.Errorf("cluster %s: %w: it runs %s, and the document has %s: 'landfall cluster upgrade' brings it there", have.name, registry.ErrInvalid, have.running, s.Definition)
	}
	return s, err
}

// was is a cluster before it is scaled. What a run that stopped was to bring counts only
// where it has come to that.
func (c *Clusters) was(ctx context.Context, r *row) (plan.Was, error) {
	w := plan.Was{Spec: r.spec.Clone()}
	all, err := c.opts.Hosts.List(ctx)
	if err != nil {
		return w, err
	}
	for _, h := range all {
		if h.Cluster == r.name {
			w.Hosts = append(w.Hosts, h)
		}
	}
	last, err := lastRun(ctx, c.db.Read, r.name)
	if err != nil || last == nil || last.kind != cluster.Scale || !last.state.open() {
		return w, err
	}
	steps, err := c.steps(ctx, last.id, `''`)
	if err != nil {
		return w, err
	}
	for _, wave := range last.plan.Waves {
		for _, s := range wave.Steps {
			if wave.Phase == cluster.Joining && steps[s.ID].State != run.Done {
				without(w.Spec, s.Host)
			}
		}
	}
	return w, nil
}

// without takes a host out of a spec.
func without(s *cluster.Spec, name string) {
	is := func(h string) bool { return h == name }
	s.ControlPlane.Hosts = slices.DeleteFunc(s.ControlPlane.Hosts, is)
	for i := range s.Workers {
		s.Workers[i].Hosts = slices.DeleteFunc(s.Workers[i].Hosts, is)
	}
}

// leftovers are hosts that belong to a cluster and are in its spec no more, or not yet.
func (c *Clusters) leftovers(ctx context.Context, r *row) (list []host.Host, err error) {
	all, err := c.opts.Hosts.List(ctx)
	for _, h := range all {
		if h.Cluster == r.name && r.spec.Pool(h.Name) == "" {
			list = append(list, h)
		}
	}
	return list, err
}

// known is a spec with those hosts only that the site has.
func (c *Clusters) known(ctx context.Context, spec *cluster.Spec) (*cluster.Spec, error) {
	all, err := c.opts.Hosts.List(ctx)
	s := spec.Clone()
	for _, name := range spec.Hosts() {
		if !slices.ContainsFunc(all, func(h host.Host) bool { return h.Name == name }) {
			without(s, name)
		}
	}
	return s, err
}
