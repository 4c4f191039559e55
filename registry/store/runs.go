package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// States of runs that the store itself knows; others are how a run has ended.
const (
	RunRunning     = "running"
	RunInterrupted = "interrupted" // the process ended before the run did
)

// MirrorRun is one run of mirrors in the history. What its texts mean is for who
// runs them to say.
type MirrorRun struct {
	ID      int64 // ascending with time, from 1
	Mirrors []string
	Trigger string
	State   string
	Started time.Time
	Ended   time.Time       // zero while it has not
	Crashes int             // how often the process ended without a word while it ran
	Outcome json.RawMessage // small; null while it runs
	Report  json.RawMessage // of Run only; null while it runs
}

// keptRuns is how many runs the history has. The last of the same mirrors and
// trigger stays beyond that: schedules go on from it.
const keptRuns = 200

// BeginRun adds a run to the history and returns its id; the oldest ones go.
// Durable when it returns.
func (s *Store) BeginRun(ctx context.Context, mirrors []string, trigger string, started time.Time) (id int64, err error) {
	names, err := json.Marshal(mirrors)
	if err != nil {
		return 0, err
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO mirror_runs (mirrors, trigger, state, started_at, outcome, report)
			VALUES (?, ?, ?, ?, 'null', 'null') RETURNING id`, string(names), trigger, RunRunning, started.UnixMilli()).Scan(&id)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM mirror_runs WHERE id <= ? - ?
			AND id NOT IN (SELECT max(id) FROM mirror_runs GROUP BY mirrors, trigger)`, id, keptRuns)
		return err
	})
	return id, named("history of runs", err)
}

// EndRun says how a run has ended, or that it was interrupted. ErrNotFound when
// it is not in the history.
func (s *Store) EndRun(ctx context.Context, r MirrorRun) error {
	err := s.writeAnyway(ctx, s.db.Write, func(tx *sql.Tx) error {
		return mustAffect(tx.ExecContext(ctx, `UPDATE mirror_runs SET state = ?, ended_at = ?, outcome = ?, report = ? WHERE id = ?`,
			r.State, r.Ended.UnixMilli(), orNull(r.Outcome), orNull(r.Report), r.ID))
	})
	return named(runName(r.ID), err)
}

func orNull(content json.RawMessage) string {
	if len(content) == 0 {
		return "null"
	}
	return string(content)
}

func runName(id int64) string { return fmt.Sprintf("run %d", id) }

// ResumeRun says that an interrupted run goes on. ErrNotFound when it is not in
// the history, or not interrupted.
func (s *Store) ResumeRun(ctx context.Context, id int64) error {
	err := s.db.Write(ctx, func(tx *sql.Tx) error {
		return mustAffect(tx.ExecContext(ctx, `UPDATE mirror_runs SET state = ?, ended_at = NULL, outcome = 'null', report = 'null'
			WHERE id = ? AND state = ?`, RunRunning, id, RunInterrupted))
	})
	return named(runName(id), err)
}

// InterruptRuns is for the start of who runs mirrors: what runs in the history
// was ended by a crash, and is interrupted.
func (s *Store) InterruptRuns(ctx context.Context) error {
	var one int
	err := s.db.Read.QueryRowContext(ctx, `SELECT 1 FROM mirror_runs WHERE state = ? LIMIT 1`, RunRunning).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = s.writeAnyway(ctx, s.db.Write, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE mirror_runs SET state = ?, crashes = crashes + 1 WHERE state = ?`, RunInterrupted, RunRunning)
			return err
		})
	}
	return named("history of runs", err)
}

const runColumns = `id, mirrors, trigger, state, started_at, ended_at, crashes, outcome`

// Runs lists runs without their reports, the newest first: at most limit, all
// when 0, of those before an id, the newest when 0.
func (s *Store) Runs(ctx context.Context, before int64, limit int) ([]MirrorRun, error) {
	list := []MirrorRun{}
	var row runRow
	var invalid error
	if limit <= 0 {
		limit = -1 // none, for SQLite
	}
	err := each(ctx, s.db.Read, row.columns(), func() {
		r, err := row.run()
		list, invalid = append(list, r), errors.Join(invalid, err)
	}, `SELECT `+runColumns+` FROM mirror_runs WHERE ?1 <= 0 OR id < ?1 ORDER BY id DESC LIMIT ?2`, before, limit)
	return list, named("history of runs", errors.Join(err, invalid))
}

// Run returns one run with its report. ErrNotFound when it is not in the history.
func (s *Store) Run(ctx context.Context, id int64) (r MirrorRun, err error) {
	var row runRow
	var report string
	err = s.db.Read.QueryRowContext(ctx, `SELECT `+runColumns+`, report FROM mirror_runs WHERE id = ?`, id).Scan(append(row.columns(), &report)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err == nil {
		r, err = row.run()
		r.Report = json.RawMessage(report)
	}
	return r, named(runName(id), err)
}

// runRow is a run as it is in the table.
type runRow struct {
	MirrorRun
	mirrors, outcome string
	started          int64
	ended            sql.NullInt64
}

// columns are where runColumns go.
func (r *runRow) columns() []any {
	return []any{&r.ID, &r.mirrors, &r.Trigger, &r.State, &r.started, &r.ended, &r.Crashes, &r.outcome}
}

func (r *runRow) run() (MirrorRun, error) {
	run := r.MirrorRun
	run.Started, run.Outcome = time.UnixMilli(r.started).UTC(), json.RawMessage(r.outcome)
	if r.ended.Valid {
		run.Ended = time.UnixMilli(r.ended.Int64).UTC()
	}
	return run, json.Unmarshal([]byte(r.mirrors), &run.Mirrors)
}
