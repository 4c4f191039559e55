package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/registry"
)

// Keyed is the job that a start of the context's actor with these options' key has
// led to before. Errors are those of Start.
func (p *Pool) Keyed(ctx context.Context, kind string, args any, opts StartOptions) (j Job, there bool, err error) {
	wanted, err := p.wanted(ctx, kind, args, opts)
	if err != nil {
		return Job{}, false, err
	}
	at, err := keyed(ctx, p.db.Read, wanted, opts)
	if at == nil || err != nil {
		return Job{}, false, err
	}
	return p.overlay(*at), true, nil
}

// keyed is the job that an idempotency key led to.
func keyed(ctx context.Context, q querier, j Job, opts StartOptions) (*Job, error) {
	if opts.IdempotencyKey == "" {
		return nil, nil
	}
	var id, hash string
	err := q.QueryRowContext(ctx, `SELECT job, request FROM job_keys WHERE owner = ? AND owner_kind = ? AND key = ?`,
		j.Owner, j.OwnerKind, opts.IdempotencyKey).Scan(&id, &hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case hash != request(j):
		return nil, fmt.Errorf("%w: the idempotency key %q was used for something else, job %s", registry.ErrConflict, opts.IdempotencyKey, id)
	}
	at, err := find(ctx, q, id)
	if err != nil {
		return nil, err
	}
	at.Joined = true
	return &at, nil
}

// request is a hash of what a start asks for.
func request(j Job) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q ", j.Kind, j.Subject)
	_, _ = h.Write(j.Args)
	return hex.EncodeToString(h.Sum(nil))
}

// remember notes which job an idempotency key led to.
func remember(ctx context.Context, tx *sql.Tx, j Job, id string, opts StartOptions) error {
	if opts.IdempotencyKey == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO job_keys (owner, owner_kind, key, request, job) VALUES (?, ?, ?, ?, ?)`,
		j.Owner, j.OwnerKind, opts.IdempotencyKey, request(j), id)
	return err
}
