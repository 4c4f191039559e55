package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// columns are those that scan reads.
const columns = `id, kind, subject, state, attempt, args, result, error, owner, owner_kind,
	created_at, started_at, ended_at, heartbeat_at, progress, waits_for, cancel_requested`

// live and ended are the states of jobs, for SQL.
const (
	live  = `('queued', 'running', 'waiting')`
	ended = `('done', 'failed', 'cancelled')`
)

// querier is a transaction, or what serves reads.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scan(row interface{ Scan(...any) error }) (j Job, err error) {
	var args, result, failure, progress sql.NullString
	var created, started, ended, heartbeat sql.NullInt64
	err = row.Scan(&j.ID, &j.Kind, &j.Subject, &j.State, &j.Attempt, &args, &result, &failure, &j.Owner, &j.OwnerKind,
		&created, &started, &ended, &heartbeat, &progress, &j.WaitsFor, &j.CancelRequested)
	if err != nil {
		return Job{}, err
	}
	j.Args, j.Result = raw(args), raw(result)
	j.Created, j.Started, j.Ended, j.Heartbeat = date(created), date(started), date(ended), date(heartbeat)
	if failure.Valid {
		j.Error = &Failure{}
		err = json.Unmarshal([]byte(failure.String), j.Error)
	}
	if progress.Valid {
		err = cmp.Or(err, json.Unmarshal([]byte(progress.String), &j.Progress))
	}
	if err != nil {
		return Job{}, fmt.Errorf("job %s: %w", j.ID, err)
	}
	return j, nil
}

// scanAll reads jobs and closes the rows.
func scanAll(rows *sql.Rows, err error) (list []Job, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		j, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, rows.Err()
}

// find reads one job.
func find(ctx context.Context, q querier, id string) (Job, error) {
	j, err := scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM jobs WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("job %q: %w", id, registry.ErrNotFound)
	}
	return j, err
}

// names reads one column of texts.
func names(ctx context.Context, q querier, query string, args ...any) (list []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, rows.Err()
}

func raw(s sql.NullString) json.RawMessage {
	if !s.Valid || s.String == "null" {
		return nil
	}
	return json.RawMessage(s.String)
}

// text is a value as JSON for a column; nothing is NULL.
func text(v json.RawMessage) sql.NullString {
	return sql.NullString{String: string(v), Valid: v != nil}
}

func date(ms sql.NullInt64) (t time.Time) {
	if ms.Valid {
		t = time.UnixMilli(ms.Int64).UTC()
	}
	return t
}

func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}
