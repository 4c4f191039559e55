package clusters

import (
	"context"
	"strconv"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
)

// List tells of all clusters, by name, without the steps of their runs.
func (c *Clusters) List(ctx context.Context) ([]Cluster, error) {
	rows, err := c.rows(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Cluster, 0, len(rows))
	for _, r := range rows {
		one, err := c.show(ctx, r)
		if err != nil {
			return nil, err
		}
		if one.Run != nil {
			one.Run.Steps = nil
		}
		list = append(list, *one)
	}
	return list, nil
}

// Get tells of a cluster, with the steps of its last run. ErrNotFound without it.
func (c *Clusters) Get(ctx context.Context, name string) (*Cluster, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err != nil {
		return nil, err
	}
	return c.show(ctx, r)
}

func (c *Clusters) show(ctx context.Context, r *row) (*Cluster, error) {
	one := &Cluster{Name: r.name, Running: r.running, Previous: r.previous, Staged: r.staged, Endpoint: c.endpoint(ctx, r.spec), Spec: r.spec,
		Created: timeOf(r.created), Updated: timeOf(r.updated)}
	one.Certificates = c.soonest(ctx, r.name)
	if err := c.settleLost(ctx, r.name); err != nil {
		return nil, err
	}
	last, err := c.lastShown(ctx, r.name)
	if err != nil {
		return nil, err
	}
	reason := ""
	if last != nil {
		reason = last.reason
		if one.Run, err = c.showRun(ctx, last); err != nil {
			return nil, err
		}
	}
	one.describe(reason)
	return one, nil
}

func (c *Clusters) showRun(ctx context.Context, r *runRow) (*Run, error) {
	known, err := c.steps(ctx, r.id, `''`)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := &Run{ID: r.id, Kind: r.kind, State: r.state, Job: r.job, From: r.plan.From, To: r.plan.To, Began: timeOf(r.began), Ended: timeOf(r.done)}
	for _, w := range r.plan.Waves {
		for _, s := range w.Steps {
			status := known[s.ID].StepStatus
			status.ID, status.Phase, status.Title, status.Host = s.ID, w.Phase, s.Title, s.Host
			status.Now = c.notes[r.id][s.ID].text
			if one.Total++; status.State == run.Done {
				one.Done++
			} else if one.Phase == "" {
				one.Phase = w.Phase
			}
			one.Steps = append(one.Steps, status)
		}
	}
	if r.state == RunDone {
		one.Phase = ""
	}
	return one, nil
}

// endpoint is HOST:PORT at which a cluster's API server answers; without a virtual
// address that is its first host's, as far as it is known.
func (c *Clusters) endpoint(ctx context.Context, s *cluster.Spec) string {
	at := s.Network.VirtualAddress
	if at == "" {
		hosts, _ := c.opts.Hosts.List(ctx) // an endpoint that is not known is shown as none
		for _, h := range hosts {
			if len(s.ControlPlane.Hosts) > 0 && h.Name == s.ControlPlane.Hosts[0] {
				at = h.Address
			}
		}
	}
	if at == "" {
		return ""
	}
	return joinPort(at, s.Network.Port)
}

func (c *Clusters) changed(ctx context.Context, name string) {
	if c.opts.Events == nil {
		return
	}
	one, err := c.Get(ctx, name)
	if err != nil {
		return // it is gone, which is told elsewhere
	}
	if one.Run != nil {
		one.Run.Steps = nil
	}
	c.opts.Events.Publish(EventChanged, one)
}

const defaultPort = 6443

func portText(port int) string {
	if port == 0 {
		port = defaultPort
	}
	return strconv.Itoa(port)
}
