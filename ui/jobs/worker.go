package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/ui/audit"
)

// fill begins jobs until all lanes are full or nothing is queued.
func (p *Pool) fill(base context.Context, running *sync.WaitGroup) (failed error) {
	for _, l := range p.lanes {
		for p.enter(l) {
			r, ctx, err := p.claim(base, l)
			if r == nil {
				failed = errors.Join(failed, err)
				p.leave(l)
				break
			}
			running.Go(func() {
				p.carryOut(base, ctx, r)
				p.leave(l)
				p.look()
			})
		}
	}
	return failed
}

// enter takes a place in a lane, if there is one.
func (p *Pool) enter(l *lane) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.busy == l.width {
		return false
	}
	l.busy++
	return true
}

func (p *Pool) leave(l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.busy--
}

// claim makes the oldest job that is queued in a lane ours, and returns its run
// with its context; nil when there is none.
func (p *Pool) claim(base context.Context, l *lane) (r *Run, ctx context.Context, err error) {
	if base.Err() != nil {
		return nil, nil, nil
	}
	id, err := p.oldest(base, l)
	if id == "" || err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancelCause(base)
	r = &Run{pool: p, stop: stop, full: make(chan struct{}, 1), again: make(chan struct{}, 1), wokenFor: map[string]bool{}, done: map[string]bool{}}
	err = p.change(base, func(tx *sql.Tx) ([]Job, error) { return r.begin(base, tx, id) }, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if r.kind != nil {
			p.active[id] = r
		}
	})
	if err != nil || r.kind == nil {
		stop(nil)
		return nil, nil, err // cancelled before it was begun, when there is no error
	}
	return r, ctx, nil
}

// oldest is the oldest job that is queued in a lane; empty when there is none.
func (p *Pool) oldest(ctx context.Context, l *lane) (string, error) {
	args := make([]any, len(l.kinds))
	for k, name := range l.kinds {
		args[k] = name
	}
	found, err := names(ctx, p.db.Read, `SELECT id FROM jobs WHERE state = 'queued' AND kind IN (?`+
		strings.Repeat(`, ?`, len(args)-1)+`) ORDER BY id LIMIT 1`, args...)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// begin makes a job ours; nothing when it is not queued any more.
func (r *Run) begin(ctx context.Context, tx *sql.Tx, id string) ([]Job, error) {
	now := time.Now()
	j, err := scan(tx.QueryRowContext(ctx, `UPDATE jobs SET state = 'running', attempt = attempt + 1, started_at = COALESCE(started_at, ?),
		lease_owner = ?, lease_until = ?, heartbeat_at = ? WHERE id = ? AND state = 'queued' RETURNING `+columns,
		now.UnixMilli(), r.pool.epoch, now.Add(leaseFor).UnixMilli(), now.UnixMilli(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	steps, err := names(ctx, tx, `SELECT name FROM job_steps WHERE job = ?`, id)
	if err != nil {
		return nil, err
	}
	var cursor sql.NullString
	if err := tx.QueryRowContext(ctx, `SELECT cursor FROM jobs WHERE id = ?`, id).Scan(&cursor); err != nil {
		return nil, err
	}
	if r.backlog.last, err = lastLine(ctx, tx, id); err != nil {
		return nil, err
	}
	for _, name := range steps {
		r.done[name] = true
	}
	if cursor.Valid {
		r.cursor = json.RawMessage(cursor.String)
	}
	r.job, r.alive, r.kind = j, now, r.pool.kinds[j.Kind]
	r.meter.now = j.Progress
	return []Job{j}, nil
}

// carryOut runs a job and notes how it ended. base ends with the appliance, ctx
// also with the job.
func (p *Pool) carryOut(base, ctx context.Context, r *Run) {
	defer r.stop(nil)
	log := p.opts.Log.With("job", r.job.ID, "kind", r.job.Kind)
	log.Info("a job begins", "attempt", r.job.Attempt)
	ctx = audit.WithActor(ctx, audit.Actor{Name: r.job.Owner, Kind: r.job.OwnerKind, Via: ViaJob + ":" + r.job.Kind})
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var telled sync.WaitGroup
	telled.Go(func() {
		(&teller{run: r, told: r.job.Progress, saved: r.job.Progress, renewed: time.Now()}).keep(telling)
	})
	result, err := r.call(ctx)
	stop()
	telled.Wait()
	e := p.ending(ctx, result, err)
	p.finish(base, ctx, r, e)
	if e.state == Failed {
		log.Error("a job failed", "error", err)
	} else {
		log.Info("a job has come to a stop", "state", e.state)
	}
}

// call runs the code. A panic is an error: the others go on.
func (r *Run) call(ctx context.Context) (result any, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			r.pool.opts.Log.Error("a job panicked", "job", r.job.ID, "kind", r.job.Kind, "panic", fault, "stack", string(debug.Stack()))
			err = fmt.Errorf("a fault in the appliance, please report it: %v", fault)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.over = true
	}()
	return r.kind.Run(ctx, r)
}

// finish notes how a run ended. While the database cannot be written it tries
// again; when the appliance ends meanwhile, the next start takes it for a crash.
func (p *Pool) finish(base, ctx context.Context, r *Run, e ending) {
	for again := true; again; {
		err := p.end(context.WithoutCancel(ctx), r, e)
		if err == nil {
			return
		}
		p.opts.Log.Error("the end of a job is not noted", "job", r.job.ID, "error", err)
		r.conclude(e)
		p.hold(err)
		if errors.Is(err, errLost) {
			break
		}
		select {
		case <-time.After(retryAfter):
		case <-r.again:
		case <-base.Done():
			again = false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.active, r.job.ID)
}
