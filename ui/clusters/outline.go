package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/registry"
)

// outline is the plan of a cluster's last run without acts, which are most of it: what
// people are told needs no more, and is asked for at each step. A plan never changes.
type outline struct {
	run  string // its id
	plan *cluster.Plan
}

// lastShown is the newest run of a cluster with the outline of its plan, nil without one.
func (c *Clusters) lastShown(ctx context.Context, name string) (*runRow, error) {
	r, err := scanRun(c.db.Read.QueryRowContext(ctx, `SELECT id, cluster, kind, '{}', job, state, pausing, reason, began_at, ended_at
		FROM cluster_runs WHERE cluster = ? ORDER BY rowid DESC LIMIT 1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, registry.DiskError(err)
	}
	r.plan, err = c.outline(ctx, r)
	return r, err
}

func (c *Clusters) outline(ctx context.Context, r *runRow) (*cluster.Plan, error) {
	c.mu.Lock()
	known := c.outlines[r.cluster]
	c.mu.Unlock()
	if known != nil && known.run == r.id {
		return known.plan, nil
	}
	var content []byte
	if err := c.db.Read.QueryRowContext(ctx, `SELECT plan FROM cluster_runs WHERE id = ?`, r.id).Scan(&content); err != nil {
		return nil, registry.DiskError(err)
	}
	var brief struct {
		From, To string
		Waves    []struct {
			Phase cluster.Phase
			Steps []struct{ ID, Title, Host string }
		}
	}
	if err := json.Unmarshal(content, &brief); err != nil {
		return nil, err
	}
	o := &outline{run: r.id, plan: &cluster.Plan{From: brief.From, To: brief.To}}
	for _, b := range brief.Waves {
		w := cluster.Wave{Phase: b.Phase}
		for _, s := range b.Steps {
			w.Steps = append(w.Steps, cluster.Step{ID: s.ID, Title: s.Title, Host: s.Host})
		}
		o.plan.Waves = append(o.plan.Waves, w)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outlines[r.cluster] = o
	return o.plan, nil
}

// pausing reports whether somebody wants a run to wait.
func (c *Clusters) pausing(ctx context.Context, run string) (is bool, err error) {
	err = c.db.Read.QueryRowContext(ctx, `SELECT pausing FROM cluster_runs WHERE id = ?`, run).Scan(&is)
	return is, registry.DiskError(err)
}

// tellEvery is how often clients are told of a cluster at most while its steps come and go.
const tellEvery = 500 * time.Millisecond

// teller tells clients of a cluster that changes often.
type teller struct {
	c       *Clusters
	cluster string
	news    chan struct{} // holds one
}

func (c *Clusters) newTeller(name string) *teller {
	return &teller{c: c, cluster: name, news: make(chan struct{}, 1)}
}

func (t *teller) changed() {
	select {
	case t.news <- struct{}{}:
	default: // they will be told of this, too
	}
}

// run tells until ctx ends.
func (t *teller) run(ctx context.Context) {
	pause := time.NewTicker(tellEvery)
	defer pause.Stop()
	for {
		select {
		case <-t.news:
			t.c.changed(ctx, t.cluster)
		case <-ctx.Done():
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}
