package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/registry"
)

// row is a cluster as the database has it.
type row struct {
	name                      string
	spec                      *cluster.Spec
	running, previous, staged string
	keys, password            []byte // sealed
	created, updated          int64
}

// runRow is a run as the database has it.
type runRow struct {
	id, cluster string
	kind        cluster.RunKind
	plan        *cluster.Plan
	job         string
	state       RunState
	pausing     bool
	reason      string
	began, done int64
}

// queryer is a database or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type scanner interface{ Scan(to ...any) error }

const rowColumns = `name, spec, running, previous, staged, keys, password, created_at, updated_at`

func scanRow(s scanner) (*row, error) {
	r, spec := &row{spec: &cluster.Spec{}}, ""
	err := s.Scan(&r.name, &spec, &r.running, &r.previous, &r.staged, &r.keys, &r.password, &r.created, &r.updated)
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal([]byte(spec), r.spec)
}

// row reads a cluster; ErrNotFound without it.
func (c *Clusters) row(ctx context.Context, q queryer, name string) (*row, error) {
	r, err := scanRow(q.QueryRowContext(ctx, `SELECT `+rowColumns+` FROM clusters WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("cluster %s: %w: 'landfall cluster get' lists those of the site", name, registry.ErrNotFound)
	}
	return r, registry.DiskError(err)
}

// running reads a cluster that runs a definition; ErrConflict when it does not yet.
func (c *Clusters) running(ctx context.Context, name string) (*row, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if err == nil && r.running == "" {
		err = fmt.Errorf("cluster %s: %w: it does not run yet", name, registry.ErrConflict)
	}
	return r, err
}

// rows reads all clusters, by name.
func (c *Clusters) rows(ctx context.Context) (list []*row, err error) {
	rows, err := c.db.Read.QueryContext(ctx, `SELECT `+rowColumns+` FROM clusters ORDER BY name`)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, registry.DiskError(err)
		}
		list = append(list, r)
	}
	return list, registry.DiskError(rows.Err())
}

// set changes fields of a cluster; a row that is gone is ErrNotFound.
func (c *Clusters) set(ctx context.Context, name, assignments string, values ...any) error {
	return registry.DiskError(c.db.Write(ctx, func(tx *sql.Tx) error { return setRow(ctx, tx, name, assignments, values...) }))
}

func setRow(ctx context.Context, tx *sql.Tx, name, assignments string, values ...any) error {
	values = append(values, now(), name)
	result, err := tx.ExecContext(ctx, `UPDATE clusters SET `+assignments+`, updated_at = ? WHERE name = ?`, values...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, fmt.Errorf("cluster %s: %w", name, registry.ErrNotFound))
	}
	return nil
}

const runColumns = `id, cluster, kind, plan, job, state, pausing, reason, began_at, ended_at`

func scanRun(s scanner) (*runRow, error) {
	r, plan := &runRow{plan: &cluster.Plan{}}, ""
	err := s.Scan(&r.id, &r.cluster, &r.kind, &plan, &r.job, &r.state, &r.pausing, &r.reason, &r.began, &r.done)
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal([]byte(plan), r.plan)
}

// lastRun is the newest run of a cluster, nil without one.
func lastRun(ctx context.Context, q queryer, name string) (*runRow, error) {
	r, err := scanRun(q.QueryRowContext(ctx, `SELECT `+runColumns+` FROM cluster_runs WHERE cluster = ? ORDER BY rowid DESC LIMIT 1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return r, registry.DiskError(err)
}

func (c *Clusters) runByID(ctx context.Context, id string) (*runRow, error) {
	r, err := scanRun(c.db.Read.QueryRowContext(ctx, `SELECT `+runColumns+` FROM cluster_runs WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("run %s: %w", id, registry.ErrNotFound)
	}
	return r, registry.DiskError(err)
}

// setRun changes fields of a run.
func (c *Clusters) setRun(ctx context.Context, id, assignments string, values ...any) error {
	return registry.DiskError(c.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cluster_runs SET `+assignments+` WHERE id = ?`, append(values, id)...)
		return err
	}))
}

func now() int64 { return time.Now().UnixMilli() }

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
