package clusters

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// work carries a run out, or goes on with it.
func (c *Clusters) work(ctx context.Context, job *jobs.Run) (any, error) {
	var a args
	if err := job.Args(&a); err != nil {
		return nil, err
	}
	r, err := c.runByID(ctx, a.Run)
	if err != nil {
		return nil, err
	}
	if !r.state.open() {
		return map[string]any{"state": r.state}, nil
	}
	if err := c.setRun(ctx, r.id, `state = ?, reason = ''`, RunRunning); err != nil {
		return nil, err
	}
	c.changed(ctx, a.Cluster)
	spec := &cluster.Spec{}
	if row, err := c.row(ctx, c.db.Read, a.Cluster); err == nil {
		spec = row.spec
	}
	if r.kind == cluster.Restore {
		defer c.giveState(spec)()
	}
	tell := c.newTeller(a.Cluster)
	telling, end := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { tell.run(telling) })
	err = run.Run(ctx, r.plan, run.Options{ID: r.id, Journal: newJournal(c, r, job, tell), Hosts: c.opts.Hosts, Site: &site{c: c, name: a.Cluster, run: r},
		Paused: func(ctx context.Context) (bool, error) { return c.pausing(ctx, r.id) },
		Open:   func(at time.Time) time.Duration { return spec.Upgrade.Closed(at) },
		Log:    c.opts.Log})
	end()
	told.Wait()
	return map[string]any{"run": r.id, "kind": r.kind}, c.ended(ctx, r, err)
}

// ended notes how a run came to its end; it stays as it is when the appliance ends.
func (c *Clusters) ended(ctx context.Context, r *runRow, failure error) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), jobs.ErrShutdown) {
		return failure
	}
	c.forgetNotes(r.id)
	after := context.WithoutCancel(ctx) // a cancelled job's run has stopped, too
	defer c.changed(after, r.cluster)
	switch {
	case failure == nil:
		return c.setRun(after, r.id, `state = ?, reason = '', ended_at = ?`, RunDone, now())
	case errors.Is(failure, run.ErrPaused):
		return c.setRun(after, r.id, `state = ?, pausing = 0, reason = ?`, RunPaused, "somebody wants it to wait")
	}
	return errors.Join(failure, c.setRun(after, r.id, `state = ?, reason = ?`, RunFailed, failure.Error()))
}

// settleLost stops a cluster's run whose job has ended without it, as one does that was
// at work each time that the appliance ended: then the run says so, and can be resumed.
func (c *Clusters) settleLost(ctx context.Context, name string) error {
	var id, job string
	err := c.db.Read.QueryRowContext(ctx, `SELECT id, job FROM cluster_runs WHERE cluster = ? AND state = ? AND job <> ''`, name, RunRunning).Scan(&id, &job)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return registry.DiskError(err)
	}
	j, err := c.opts.Jobs.Get(ctx, job)
	if errors.Is(err, registry.ErrNotFound) || err == nil && !j.State.Ended() {
		return nil
	}
	if err != nil {
		return err
	}
	reason := "job " + job + " ended without it"
	if j.Err() != nil {
		reason = j.Err().Error()
	}
	// The run may have been ended meanwhile, or have another job.
	return registry.DiskError(c.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cluster_runs SET state = ?, reason = ? WHERE id = ? AND job = ? AND state = ?`, RunFailed, reason, id, job, RunRunning)
		return err
	}))
}

func (c *Clusters) forgetNotes(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.notes, id)
}
