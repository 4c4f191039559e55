package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// StartOptions say how a job is started. The zero value always starts one.
type StartOptions struct {
	// IdempotencyKey makes a start happen once: the same actor that sends it again
	// gets the job that it led to, as long as that is in the history.
	IdempotencyKey string
	// Exclusive is what must not be done twice at once: while a job with this key
	// is queued, runs or waits, the start is ErrConflict, or with Join that job.
	Exclusive string
	Join      bool
	// Subject is what the job is done to, where somebody wants to find its jobs.
	Subject string
}

const (
	maxKey  = 256     // bytes of a key
	maxArgs = 1 << 20 // bytes of arguments
)

// Start queues a job for the context's actor. The arguments are kept as JSON, for
// all to see who may see jobs. ErrInvalid for an unknown kind; ErrConflict when the
// idempotency key was used for something else, when the exclusive key is taken, or
// when too many jobs of the kind are queued.
func (p *Pool) Start(ctx context.Context, kind string, args any, opts StartOptions) (Job, error) {
	j, err := p.wanted(ctx, kind, args, opts)
	if err != nil {
		return Job{}, err
	}
	j.ID, j.State, j.Created = p.ids.next(), Queued, time.Now().UTC().Truncate(time.Millisecond)
	err = p.change(ctx, func(tx *sql.Tx) ([]Job, error) {
		there, err := p.joined(ctx, tx, j, opts)
		if err != nil {
			return nil, err
		}
		if there != nil {
			j = *there
			return nil, nil
		}
		return []Job{j}, p.insert(ctx, tx, j, opts)
	})
	if err != nil {
		return Job{}, err
	}
	if r := p.running(j.ID); r != nil && r.isOver() { // only its end is not noted yet
		if err := p.noteEnd(ctx, r); err != nil {
			return Job{}, err
		}
		return p.Start(ctx, kind, args, opts)
	}
	return p.overlay(j), nil
}

// noteEnd has the end of a run noted now that was held up.
func (p *Pool) noteEnd(ctx context.Context, r *Run) error {
	changed, end := p.watchers.watch(r.job.ID)
	defer end()
	next := changed()
	select {
	case r.again <- struct{}{}:
	default:
	}
	if p.running(r.job.ID) == nil {
		return nil
	}
	select {
	case <-next:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if at := p.stuck.Load(); at != nil {
		return at.err
	}
	return nil
}

// wanted is the job that a start of the context's actor asks for.
func (p *Pool) wanted(ctx context.Context, kind string, args any, opts StartOptions) (Job, error) {
	content, err := json.Marshal(args)
	switch {
	case err != nil:
		return Job{}, fmt.Errorf("arguments of a job: %w", err)
	case p.kinds[kind] == nil:
		return Job{}, fmt.Errorf("%w: no jobs are called %q", registry.ErrInvalid, kind)
	case len(content) > maxArgs:
		return Job{}, fmt.Errorf("%w: the arguments of a job have %d bytes, more than %d", registry.ErrInvalid, len(content), maxArgs)
	case len(opts.IdempotencyKey) > maxKey:
		return Job{}, fmt.Errorf("%w: the idempotency key is longer than %d bytes", registry.ErrInvalid, maxKey)
	}
	owner := audit.ActorOf(ctx)
	return Job{Kind: kind, Subject: opts.Subject, Args: content, Owner: owner.Name, OwnerKind: owner.Kind}, nil
}

// joined is the job that is there already for a start; nil when there is none.
func (p *Pool) joined(ctx context.Context, tx *sql.Tx, j Job, opts StartOptions) (*Job, error) {
	there, err := keyed(ctx, tx, j, opts)
	if there != nil || err != nil || opts.Exclusive == "" {
		return there, err
	}
	id, err := holder(ctx, tx, opts.Exclusive)
	if id == "" || err != nil {
		return nil, err
	}
	if !opts.Join {
		return nil, fmt.Errorf("%w: job %s does this already", registry.ErrConflict, id)
	}
	at, err := find(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	at.Joined = true
	return &at, remember(ctx, tx, j, at.ID, opts)
}

// holder is the live job that has an exclusive key; empty when there is none.
func holder(ctx context.Context, tx *sql.Tx, key string) (id string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM jobs WHERE exclusive = ? AND state IN `+live, key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return id, err
}

// insert adds a job to its queue.
func (p *Pool) insert(ctx context.Context, tx *sql.Tx, j Job, opts StartOptions) error {
	var queued int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM jobs WHERE state = 'queued' AND kind = ?`, j.Kind).Scan(&queued); err != nil {
		return err
	}
	if queued >= p.opts.Queue {
		return fmt.Errorf("%w: %d jobs of kind %s are queued; some have to end first", registry.ErrConflict, queued, j.Kind)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO jobs (id, kind, subject, state, args, owner, owner_kind, exclusive, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		j.ID, j.Kind, j.Subject, j.State, string(j.Args), j.Owner, j.OwnerKind, opts.Exclusive, j.Created.UnixMilli())
	if err != nil {
		return err
	}
	if err := remember(ctx, tx, j, j.ID, opts); err != nil {
		return err
	}
	return p.note(ctx, tx, audit.Entry{Action: "job.start", Target: j.ID, After: map[string]any{"kind": j.Kind, "args": j.Args}})
}
