package clusters

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// journal keeps the steps of a run in the database, and tells the job's lines of them.
type journal struct {
	c      *Clusters
	run    *runRow
	job    *jobs.Run
	tell   *teller
	titles map[string]string
}

var _ run.Journal = (*journal)(nil)

func newJournal(c *Clusters, r *runRow, job *jobs.Run, tell *teller) *journal {
	j := &journal{c: c, run: r, job: job, tell: tell, titles: map[string]string{}}
	for _, w := range r.plan.Waves {
		for _, s := range w.Steps {
			j.titles[s.ID] = s.Title
		}
	}
	return j
}

// Entries implements run.Journal.
func (j *journal) Entries(ctx context.Context) (map[string]run.Entry, error) {
	list, err := j.c.steps(ctx, j.run.id, `output`)
	entries := map[string]run.Entry{}
	for id, s := range list {
		entries[id] = run.Entry{State: s.State, Attempt: s.Attempt, Output: s.output}
	}
	return entries, err
}

// step is a step as the database has it.
type step struct {
	StepStatus
	output json.RawMessage
}

// steps are those of a run that were begun; output is the column, or what stands for it
// where it is not wanted.
func (c *Clusters) steps(ctx context.Context, id, output string) (map[string]step, error) {
	rows, err := c.db.Read.QueryContext(ctx, `SELECT step, state, attempt, `+output+`, reason, began_at, ended_at FROM cluster_steps WHERE run = ?`, id)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	defer rows.Close()
	list := map[string]step{}
	for rows.Next() {
		var s step
		var output string
		var began, ended int64
		if err := rows.Scan(&s.ID, &s.State, &s.Attempt, &output, &s.Reason, &began, &ended); err != nil {
			return nil, registry.DiskError(err)
		}
		s.Began, s.Ended = timeOf(began), timeOf(ended)
		if output != "" {
			s.output = json.RawMessage(output)
		}
		list[s.ID] = s
	}
	return list, registry.DiskError(rows.Err())
}

// Begin implements run.Journal.
func (j *journal) Begin(ctx context.Context, id string) (attempt int, err error) {
	fresh := false
	err = j.c.db.Write(ctx, func(tx *sql.Tx) error {
		var state run.State
		err := tx.QueryRowContext(ctx, `SELECT state, attempt FROM cluster_steps WHERE run = ? AND step = ?`, j.run.id, id).Scan(&state, &attempt)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if fresh = state != run.Running; fresh {
			attempt++
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO cluster_steps (run, step, state, attempt, began_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (run, step) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, reason = '', began_at = excluded.began_at, ended_at = 0`,
			j.run.id, id, run.Running, attempt, now())
		return err
	})
	if err != nil {
		return attempt, registry.DiskError(err)
	}
	j.job.Log(slog.LevelInfo, j.titles[id], map[string]any{"step": id, "attempt": attempt})
	j.tell.changed()
	if !fresh {
		return attempt, nil
	}
	return attempt, j.further(ctx, id, run.Running, attempt)
}

// End implements run.Journal.
func (j *journal) End(ctx context.Context, id string, output json.RawMessage, failure error) error {
	state, reason := run.Done, ""
	if failure != nil {
		state, reason = run.Failed, failure.Error()
	}
	err := j.c.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cluster_steps SET state = ?, output = ?, reason = ?, ended_at = ? WHERE run = ? AND step = ?`,
			state, string(output), reason, now(), j.run.id, id)
		return err
	})
	j.c.mu.Lock()
	delete(j.c.notes[j.run.id], id)
	j.c.mu.Unlock()
	if err == nil && failure != nil {
		j.job.Log(slog.LevelError, reason, map[string]any{"step": id})
	}
	j.tell.changed()
	if err != nil {
		return registry.DiskError(err)
	}
	return j.further(ctx, id, state, 0)
}

// further notes where the run is with its job, too: one that gets further is begun again
// however often the appliance has ended.
func (j *journal) further(ctx context.Context, id string, state run.State, attempt int) error {
	return j.job.SetCursor(ctx, fmt.Sprint(id, " ", state, " ", attempt))
}

// Tell implements run.Journal.
func (j *journal) Tell(id, text string) {
	j.c.mu.Lock()
	defer j.c.mu.Unlock()
	if j.c.notes[j.run.id] == nil {
		j.c.notes[j.run.id] = map[string]note{}
	}
	j.c.notes[j.run.id][id] = note{text, time.Now()}
}
