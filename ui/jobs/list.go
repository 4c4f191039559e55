package jobs

import (
	"context"
	"strings"
	"time"
)

// Filter says which jobs are meant. What is empty does not count.
type Filter struct {
	Kind    string
	Subject string
	State   State
	Owner   string
	Live    bool   // those that have not ended
	Before  string // those with smaller ids
	Limit   int    // how many; all when 0
	Results bool   // with what they did, which may be large
}

// Get returns a job with its steps. ErrNotFound when the history has no such job,
// or has it no more.
func (p *Pool) Get(ctx context.Context, id string) (Job, error) {
	j, err := find(ctx, p.db.Read, id)
	if err != nil {
		return j, err
	}
	if j.Steps, err = p.steps(ctx, id); err != nil {
		return Job{}, err
	}
	return p.overlay(j), nil
}

func (p *Pool) steps(ctx context.Context, id string) (list []Step, err error) {
	rows, err := p.db.Read.QueryContext(ctx, `SELECT name, ended_at FROM job_steps WHERE job = ? ORDER BY n`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s Step
		var at int64
		if err := rows.Scan(&s.Name, &at); err != nil {
			return nil, err
		}
		s.Ended = time.UnixMilli(at).UTC()
		list = append(list, s)
	}
	return list, rows.Err()
}

// List returns jobs without their steps, the newest first.
func (p *Pool) List(ctx context.Context, f Filter) ([]Job, error) {
	query, args := f.query()
	list, err := scanAll(p.db.Read.QueryContext(ctx, query, args...))
	for k, j := range list {
		list[k] = p.overlay(j)
	}
	return list, err
}

func (f Filter) query() (string, []any) {
	var where []string
	var args []any
	for _, c := range []struct {
		condition string
		value     string
	}{
		{"kind = ?", f.Kind},
		{"subject = ?", f.Subject},
		{"state = ?", string(f.State)},
		{"owner = ?", f.Owner},
		{"id < ?", f.Before},
	} {
		if c.value != "" {
			where = append(where, c.condition)
			args = append(args, c.value)
		}
	}
	if f.Live {
		where = append(where, "state IN "+live)
	}
	query := "SELECT " + columns + " FROM jobs"
	if !f.Results {
		query = strings.Replace(query, "result", "NULL", 1)
	}
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id DESC"
	if f.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, f.Limit)
	}
	return query, args
}

// overlay adds to a job that runs what its row does not have yet.
func (p *Pool) overlay(j Job) Job {
	if r := p.running(j.ID); r != nil && j.State == Running {
		j.Progress, j.Heartbeat = r.progress()
		r.mu.Lock()
		if e := r.outcome; e != nil && e.state.Ended() {
			j.State, j.Result, j.Error = e.state, e.result, e.failure
		}
		r.mu.Unlock()
	}
	if at := p.stuck.Load(); at != nil && !j.State.Ended() {
		j.Stuck = &at.failure
	}
	return j
}
