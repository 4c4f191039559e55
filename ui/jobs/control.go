package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Cancel ends a job: at once when it does not run, otherwise as soon as its code
// can. What it did stays. ErrConflict when it has ended.
func (p *Pool) Cancel(ctx context.Context, id string) (j Job, err error) {
	err = p.change(ctx, func(tx *sql.Tx) ([]Job, error) {
		if j, err = find(ctx, tx, id); err != nil {
			return nil, err
		}
		switch {
		case j.State.Ended():
			return nil, fmt.Errorf("%w: job %s has ended: %s", registry.ErrConflict, id, j.State)
		case j.CancelRequested:
			return nil, nil
		}
		before := j.State
		if j, err = scan(tx.QueryRowContext(ctx, `UPDATE jobs SET cancel_requested = 1 WHERE id = ? RETURNING `+columns, id)); err != nil {
			return nil, err
		}
		if err := p.note(ctx, tx, audit.Entry{Action: "job.cancel", Target: id, Before: map[string]any{"kind": j.Kind, "state": before}}); err != nil {
			return nil, err
		}
		if before != Running {
			j, err = p.settle(ctx, tx, id, isCancelled())
		}
		return []Job{j}, err
	}, func() {
		if r := p.running(id); r != nil {
			r.mu.Lock()
			r.job.CancelRequested = true
			r.mu.Unlock()
			r.stop(ErrCancelled)
		}
	})
	if err != nil {
		return Job{}, err
	}
	return p.overlay(j), nil
}

// Retry lets a job go on that failed, was cancelled or waits: what its steps have
// done is not done again. ErrConflict when it is in another state, or when another
// one does the same already.
func (p *Pool) Retry(ctx context.Context, id string) (j Job, err error) {
	err = p.change(ctx, func(tx *sql.Tx) ([]Job, error) {
		if j, err = find(ctx, tx, id); err != nil {
			return nil, err
		}
		if j.State != Failed && j.State != Cancelled && j.State != Waiting {
			return nil, fmt.Errorf("%w: job %s is %s: nothing to retry", registry.ErrConflict, id, j.State)
		}
		if p.kinds[j.Kind] == nil {
			return nil, fmt.Errorf("%w: no jobs are called %q any more", registry.ErrInvalid, j.Kind)
		}
		if err := p.free(ctx, tx, id); err != nil {
			return nil, err
		}
		before := j.State
		if j, err = queueAgain(ctx, tx, id, 0, "retried by "+audit.ActorOf(ctx).Name); err != nil {
			return nil, err
		}
		return []Job{j}, p.note(ctx, tx, audit.Entry{Action: "job.retry", Target: id, Before: map[string]any{"kind": j.Kind, "state": before}})
	})
	if err != nil {
		return Job{}, err
	}
	return j, nil
}

// free says that no other job does what one does exclusively.
func (p *Pool) free(ctx context.Context, tx *sql.Tx, id string) error {
	others, err := names(ctx, tx, `SELECT other.id FROM jobs, jobs AS other WHERE jobs.id = ? AND jobs.exclusive <> ''
		AND other.exclusive = jobs.exclusive AND other.id <> jobs.id AND other.state IN `+live, id)
	if err == nil && len(others) > 0 {
		err = fmt.Errorf("%w: job %s does this already", registry.ErrConflict, others[0])
	}
	return err
}

// Wake lets all jobs go on that wait for a key.
func (p *Pool) Wake(ctx context.Context, key string) error {
	waiting, err := p.waiting(ctx, key)
	if err != nil || len(waiting) == 0 {
		return err
	}
	return p.change(ctx, func(tx *sql.Tx) (list []Job, err error) {
		waiting, err := names(ctx, tx, selectWaiting, key)
		if err != nil {
			return nil, err
		}
		for _, id := range waiting {
			j, err := queueAgain(ctx, tx, id, 0, "what it waited for is back: "+key)
			if err != nil {
				return nil, err
			}
			list = append(list, j)
		}
		return list, nil
	})
}

const selectWaiting = `SELECT id FROM jobs WHERE state = 'waiting' AND waits_for = ? ORDER BY id`

// waiting are the jobs that wait for a key. One that is just about to is not among
// them, and does not miss the wake-up: it is noted with its run.
func (p *Pool) waiting(ctx context.Context, key string) ([]string, error) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	for _, r := range p.active {
		r.wokenFor[key] = true
	}
	p.mu.Unlock()
	return names(ctx, p.db.Read, selectWaiting, key)
}

// queueAgain puts a job back into its queue.
func queueAgain(ctx context.Context, tx *sql.Tx, id string, crashes int, why string) (Job, error) {
	if err := addLine(ctx, tx, id, newLine(slog.LevelInfo, why, nil)); err != nil {
		return Job{}, err
	}
	return scan(tx.QueryRowContext(ctx, `UPDATE jobs SET state = 'queued', crashes = ?, waits_for = '', cancel_requested = 0,
		result = NULL, error = NULL, ended_at = NULL, lease_owner = '', lease_until = NULL WHERE id = ? RETURNING `+columns, crashes, id))
}
