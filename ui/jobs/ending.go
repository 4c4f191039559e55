package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/ui/audit"
)

// ending is how an attempt, or a whole job, came to its end.
type ending struct {
	state    State
	result   json.RawMessage
	failure  *Failure
	waitsFor string
	line     line // for people; none without a message
}

// isCancelled is the end of a job that somebody does not want any more.
func isCancelled() ending {
	return ending{state: Cancelled, failure: &Failure{Kind: "cancelled", Message: "the job was cancelled"}, line: newLine(slog.LevelInfo, "cancelled", nil)}
}

// hasFailed is the end of a job that failed.
func (p *Pool) hasFailed(err error) ending {
	f := p.opts.Describe(err)
	return ending{state: Failed, failure: &f, line: newLine(slog.LevelError, "failed: "+f.Message, nil)}
}

// mustWait is the end of an attempt that cannot go on now.
func (p *Pool) mustWait(w *Wait, err error) ending {
	if w.Err != nil {
		err = w.Err
	}
	f := p.opts.Describe(err)
	return ending{state: Waiting, failure: &f, waitsFor: w.For, line: newLine(slog.LevelWarn, "waits: "+f.Message, nil)}
}

// ending judges what the code of a run returned.
func (p *Pool) ending(ctx context.Context, result any, err error) ending {
	content, failed := json.Marshal(result)
	if failed != nil {
		content, err = nil, errors.Join(err, fmt.Errorf("the result cannot be kept: %w", failed))
	}
	var e ending
	wait := (*Wait)(nil)
	switch cause := context.Cause(ctx); {
	case err == nil:
		e.state = Done
	case errors.Is(cause, ErrCancelled):
		e = isCancelled()
	case errors.Is(cause, ErrShutdown):
		return ending{state: Queued, line: newLine(slog.LevelInfo, "the appliance ends: it goes on at the next start", nil)}
	case errors.As(err, &wait):
		e = p.mustWait(wait, err)
	default:
		e = p.hasFailed(err)
	}
	e.result = content
	return e
}

// end writes how a run ended, with the last of what it told.
func (p *Pool) end(ctx context.Context, r *Run, e ending) error {
	lines := r.takeLines()
	err := p.change(ctx, func(tx *sql.Tx) ([]Job, error) {
		at, alive := r.progress()
		at.Rate, at.Remaining = 0, 0
		progress, err := json.Marshal(at)
		if err != nil {
			return nil, err
		}
		if err := r.held(ctx, tx, `progress = ?, heartbeat_at = ?`, string(progress), alive.UnixMilli()); err != nil {
			return nil, err
		}
		if err := insertLines(ctx, tx, r.job.ID, lines); err != nil {
			return nil, err
		}
		j, err := p.settle(ctx, tx, r.job.ID, p.turned(r, e))
		return []Job{j}, err
	}, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.active, r.job.ID)
	})
	if err != nil {
		r.putBack(lines)
	}
	return err
}

// turned is an ending in the light of what happened since the code returned: a job
// does not go on that was cancelled, and does not wait for what has come back.
func (p *Pool) turned(r *Run, e ending) ending {
	p.mu.Lock()
	woken := r.wokenFor[e.waitsFor]
	p.mu.Unlock()
	r.mu.Lock()
	unwanted := r.job.CancelRequested
	r.mu.Unlock()
	switch {
	case unwanted && !e.state.Ended():
		return isCancelled()
	case woken && e.state == Waiting:
		return ending{state: Queued, line: e.line}
	}
	return e
}

// settle writes the end of an attempt; that of a job is audited.
func (p *Pool) settle(ctx context.Context, tx *sql.Tx, id string, e ending) (Job, error) {
	var failure json.RawMessage
	var endedAt time.Time
	var err error
	if e.failure != nil {
		if failure, err = json.Marshal(e.failure); err != nil {
			return Job{}, err
		}
	}
	if e.state.Ended() {
		endedAt = time.Now()
	}
	if e.line.message != "" {
		if err := addLine(ctx, tx, id, e.line); err != nil {
			return Job{}, err
		}
	}
	j, err := scan(tx.QueryRowContext(ctx, `UPDATE jobs SET state = ?, result = ?, error = ?, waits_for = ?, ended_at = ?,
		lease_owner = '', lease_until = NULL WHERE id = ? RETURNING `+columns,
		e.state, text(e.result), text(failure), e.waitsFor, millis(endedAt), id))
	if err != nil || !e.state.Ended() {
		return j, err
	}
	if err := p.note(ctx, tx, audit.Entry{Action: "job.end", Target: id, After: map[string]any{"kind": j.Kind, "error": j.Error}, Outcome: outcome(e.state)}); err != nil {
		return Job{}, err
	}
	return j, p.prune(ctx, tx, j.Kind)
}

// outcome is a state in the audit log.
func outcome(s State) string {
	if s == Done {
		return ""
	}
	return string(s)
}
