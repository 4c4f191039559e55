package jobs

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// Run is an attempt at a job, as its code sees it. Its methods may be called from
// several goroutines, until Run of the kind has returned.
type Run struct {
	pool  *Pool
	kind  *Kind
	stop  context.CancelCauseFunc
	full  chan struct{} // many lines are pending
	again chan struct{} // its end is to be noted now

	wokenFor map[string]bool // while this ran; protected by the pool's mu

	mu      sync.Mutex // protects all below
	job     Job        // as it was at the start
	done    map[string]bool
	cursor  json.RawMessage
	backlog backlog
	meter   meter
	alive   time.Time // the last sign of life
	over    bool      // the code has returned
	outcome *ending   // how, while that cannot be noted
}

// conclude says how the code ended, as long as that is not in the table yet.
func (r *Run) conclude(e ending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome = &e
}

// isOver reports whether the code has returned.
func (r *Run) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// ID is the job's.
func (r *Run) ID() string { return r.job.ID }

// Attempt is how often the job was begun, with this time.
func (r *Run) Attempt() int { return r.job.Attempt }

// Created is when the job was started, in its first attempt and every other.
func (r *Run) Created() time.Time { return r.job.Created }

// Args reads what the job was asked for.
func (r *Run) Args(v any) error {
	if err := Decode(r.job.Args, v); err != nil {
		return fmt.Errorf("arguments of job %s: %w", r.job.ID, err)
	}
	return nil
}

// Step does a part of the job and notes durably that it is done; in a later attempt
// it is not done again. When the appliance ends after do has returned and before
// that is noted, it is: what it does twice must be the same as once. Its name is the
// phase until another one is reported.
func (r *Run) Step(ctx context.Context, name string, do func(ctx context.Context) error) error {
	if r.did(name) {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Report(Progress{Phase: name})
	if err := do(ctx); err != nil {
		return err
	}
	// What was done is noted, also when the context ended meanwhile.
	err := r.write(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO job_steps (job, name, n, ended_at)
			SELECT ?, ?, COUNT(*) + 1, ? FROM job_steps WHERE job = ? ON CONFLICT DO NOTHING`, r.job.ID, name, time.Now().UnixMilli(), r.job.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("step %s: %w", name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[name] = true
	return nil
}

// did reports whether a step is done.
func (r *Run) did(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[name]
}

// Cursor reads how far the job is, as SetCursor noted it; false, and v as it was,
// when it never did.
func (r *Run) Cursor(v any) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cursor == nil {
		return false, nil
	}
	if err := json.Unmarshal(r.cursor, v); err != nil {
		return false, fmt.Errorf("cursor of job %s: %w", r.job.ID, err)
	}
	return true, nil
}

// SetCursor notes durably how far the job is; that costs a sync of the disk.
func (r *Run) SetCursor(ctx context.Context, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cursor of job %s: %w", r.job.ID, err)
	}
	r.mu.Lock()
	same := bytes.Equal(content, r.cursor)
	r.mu.Unlock()
	if same {
		return nil
	}
	err = r.write(context.WithoutCancel(ctx), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE jobs SET cursor = ? WHERE id = ?`, string(content), r.job.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("cursor of job %s: %w", r.job.ID, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cursor = content
	return nil
}

// write runs a durable transaction that gets the job further, while it is ours.
func (r *Run) write(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	now := time.Now()
	err := r.pool.db.Write(ctx, func(tx *sql.Tx) error {
		if err := r.held(ctx, tx, `crashes = 0, heartbeat_at = ?`, now.UnixMilli()); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive = now
	return registry.DiskError(err)
}

// held changes the job's row, and is an error when the job is not ours any more.
func (r *Run) held(ctx context.Context, tx *sql.Tx, set string, args ...any) error {
	done, err := tx.ExecContext(ctx, `UPDATE jobs SET `+set+` WHERE id = ? AND state = 'running' AND lease_owner = ?`,
		append(args, r.job.ID, r.pool.epoch)...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 1 {
		return err
	}
	r.stop(errLost)
	return errLost
}

// Report says how far the job is. It costs next to nothing: the rate and the
// remaining time are computed now and then, and told to clients.
func (r *Run) Report(at Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive = time.Now()
	r.meter.report(at)
}

// Log adds a line to those that are kept with the job. The data is for programs,
// as JSON; nil for none. A job tells people some thousand lines at most: of more
// only warnings and errors are kept, and not all of those.
func (r *Run) Log(level slog.Level, message string, data any) {
	l := newLine(level, message, data)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alive = l.at
	if r.over {
		return
	}
	r.backlog.add(l)
	if len(r.backlog.pending) >= flushLines {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
}

// progress is how far the job is now, and its last sign of life.
func (r *Run) progress() (Progress, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.meter.now, r.alive.UTC()
}
