package clusters

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// begin notes a run of a plan, together with what else changes, and has a job carry it
// out. ErrConflict while another run of the cluster is open.
func (c *Clusters) begin(ctx context.Context, p *cluster.Plan, also func(tx *sql.Tx) error) error {
	content, err := json.Marshal(p)
	if err != nil {
		return err
	}
	id, key, again := "", keyOf(ctx), false
	err = c.db.Write(ctx, func(tx *sql.Tx) error {
		if again, err = begun(ctx, tx, p, key); err != nil || again {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if err := mayBegin(ctx, tx, p); err != nil {
			return err
		}
		var number int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) + 1 FROM cluster_runs WHERE cluster = ?`, p.Cluster).Scan(&number); err != nil {
			return err
		}
		id = fmt.Sprintf("%s-%d-%s", p.Cluster, number, strings.ToLower(rand.Text()[:6]))
		_, err := tx.ExecContext(ctx, `INSERT INTO cluster_runs (id, cluster, kind, plan, state, idempotent, began_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			id, p.Cluster, p.Kind, string(content), RunRunning, key, now())
		if err != nil || c.opts.Audit == nil {
			return err
		}
		return c.opts.Audit.Append(ctx, tx, audit.Entry{Action: "cluster." + string(p.Kind), Target: p.Cluster, After: map[string]any{"run": id, "from": p.From, "to": p.To}})
	})
	if err != nil || again {
		return registry.DiskError(err)
	}
	return c.start(ctx, p.Cluster, id)
}

type contextKey struct{}

// WithKey makes what is begun with a context begin once, however often it is asked for
// with the same key; "" for none.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, contextKey{}, key)
}

func keyOf(ctx context.Context) string {
	key, _ := ctx.Value(contextKey{}).(string)
	return key
}

// begun reports whether a key has begun this already. ErrConflict when it has begun
// something else.
func begun(ctx context.Context, tx *sql.Tx, p *cluster.Plan, key string) (bool, error) {
	if key == "" {
		return false, nil
	}
	r, err := scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM cluster_runs WHERE idempotent = ? AND cluster = ?`, key, p.Cluster))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err == nil && (r.kind != p.Kind || r.plan.To != p.To) {
		err = fmt.Errorf("Idempotency-Key: %w: it was used for %s to %s", registry.ErrConflict, r.kind, r.plan.To)
	}
	return true, err
}

// again reports whether the key of a context has begun such a run of a cluster already:
// by now another one may not be possible, and need not.
func (c *Clusters) again(ctx context.Context, name string, kind cluster.RunKind) (there bool, err error) {
	if keyOf(ctx) == "" {
		return false, nil
	}
	err = c.db.Read.QueryRowContext(ctx, `SELECT count(*) > 0 FROM cluster_runs WHERE idempotent = ? AND cluster = ? AND kind = ?`, keyOf(ctx), name, kind).Scan(&there)
	return there, registry.DiskError(err)
}

// start has a job carry a run out.
func (c *Clusters) start(ctx context.Context, name, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // the run is noted: who leaves does not leave it without a job
	defer cancel()
	for {
		job, err := c.opts.Jobs.Start(ctx, JobKind, args{name, id}, jobs.StartOptions{Exclusive: JobKind + "/" + name, Join: true, Subject: name})
		if err != nil {
			return err
		}
		var of args
		if err := json.Unmarshal(job.Args, &of); err != nil {
			return err
		}
		if of.Run == id {
			c.changed(ctx, name)
			return c.setRun(ctx, id, `job = ?`, job.ID)
		}
		// The job of the run before, which was noted as ended a moment before its job is.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("cluster %s: %w: job %s of run %s does not end; run %s waits for it", name, registry.ErrConflict, job.ID, of.Run, id)
		}
	}
}
