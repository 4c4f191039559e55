package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Jobs are the jobs of an appliance, through its Client.
type Jobs struct{ client *Client }

// Jobs are the appliance's jobs.
func (c *Client) Jobs() *Jobs { return &Jobs{c} }

// List returns jobs of the filter's kind and state, the newest first; all of them
// when its limit is 0. The filter's other fields do not count.
func (s *Jobs) List(ctx context.Context, f jobs.Filter) ([]jobs.Job, error) {
	query := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "state": string(f.State), "before": f.Before} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return pages[jobs.Job](ctx, s.client, listing{path: "jobs", query: query, cursor: "before", limit: f.Limit})
}

// Get returns a job with its steps.
func (s *Jobs) Get(ctx context.Context, id string) (j jobs.Job, err error) {
	return j, s.client.call(ctx, http.MethodGet, "jobs/"+url.PathEscape(id), nil, &j)
}

// linesPage is how many lines one request can ask for.
const linesPage = 1000

// Lines are what a job has told after a line: at most limit, 1000 when 0.
func (s *Jobs) Lines(ctx context.Context, id string, after int64, limit int) ([]jobs.Line, error) {
	if limit <= 0 {
		limit = linesPage
	}
	var at jobLines
	err := s.client.call(ctx, http.MethodGet, fmt.Sprintf("jobs/%s/lines?after=%d&limit=%d", url.PathEscape(id), after, min(limit, linesPage)), nil, &at)
	return at.Lines, err
}

// Cancel ends a job; what it did stays.
func (s *Jobs) Cancel(ctx context.Context, id string) (j jobs.Job, err error) {
	return j, s.client.call(ctx, http.MethodPost, "jobs/"+url.PathEscape(id)+"/cancel", nil, &j)
}

// Retry lets a job go on that failed, was cancelled or waits.
func (s *Jobs) Retry(ctx context.Context, id string) (j jobs.Job, err error) {
	return j, s.client.call(ctx, http.MethodPost, "jobs/"+url.PathEscape(id)+"/retry", nil, &j)
}

// longPoll is how long a client waits in one request, in seconds.
const longPoll = 25

// Hearing is what a client wants to hear of a job.
type Hearing struct {
	Line func(jobs.Line) // nil: nothing
	Job  func(jobs.Job)  // now and then; nil: nothing
	// GoesOn says whether the job goes on when the client leaves; nil: it is
	// cancelled.
	GoesOn func() bool
}

// StartJob starts a job with a request to one of the operations that do.
func (c *Client) StartJob(ctx context.Context, path string, args any) (j jobs.Job, err error) {
	return j, c.call(ctx, http.MethodPost, path, args, &j)
}

// Follow hears what a job tells until it has ended, and returns it then. When ctx
// ends, so does the job, unless it goes on.
func (c *Client) Follow(ctx context.Context, id string, hear Hearing) (jobs.Job, error) {
	wait := longPoll
	if hear.Job != nil {
		wait = 1 // how far it is does not end a request
	}
	for after := int64(0); ; {
		var at jobLines
		err := c.call(ctx, http.MethodGet, fmt.Sprintf("jobs/%s/lines?after=%d&wait=%d", url.PathEscape(id), after, wait), nil, &at)
		if err != nil {
			if ctx.Err() != nil && (hear.GoesOn == nil || !hear.GoesOn()) {
				c.leave(ctx, id)
			}
			return jobs.Job{}, err
		}
		for _, line := range at.Lines {
			after = line.N
			if hear.Line != nil {
				hear.Line(line)
			}
		}
		if hear.Job != nil {
			hear.Job(at.Job)
		}
		switch {
		case len(at.Lines) > 0: // there may be more
		case at.Job.State.Ended():
			return at.Job, nil
		case at.Job.Stuck != nil: // until somebody frees the disk
			c.leave(ctx, id)
			return at.Job, failureOf(at.Job.Stuck)
		case at.Job.State == jobs.Waiting: // for what may never come
			return at.Job, failureOf(at.Job.Error)
		}
	}
}

// leaveGrace is how long a client that was told to stop tries to say so.
const leaveGrace = 3 * time.Second

// leave cancels a job that nobody waits for any more.
func (c *Client) leave(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveGrace)
	defer cancel()
	_ = c.call(ctx, http.MethodPost, "jobs/"+url.PathEscape(id)+"/cancel", nil, &jobs.Job{})
}

// work starts a job, follows it, and reads its result.
func work[R any](ctx context.Context, c *Client, path string, args any, hear Hearing) (*R, error) {
	j, err := c.begin(ctx, path, args)
	if err != nil {
		return nil, err
	}
	if j, err = c.Follow(ctx, j.ID, hear); err != nil {
		return nil, err
	}
	return resultOf[R](j)
}

// begin starts a job. Who leaves while it is being started has it cancelled, too: the
// answer, which says what it is called, is waited for a little longer.
func (c *Client) begin(ctx context.Context, path string, args any) (jobs.Job, error) {
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(leaveGrace, cancel) })
	defer stop()
	j, err := c.StartJob(asking, path, args)
	if ctx.Err() == nil {
		return j, err
	}
	if err == nil {
		c.leave(ctx, j.ID)
	}
	return jobs.Job{}, context.Cause(ctx)
}

// resultOf is what a job that has ended did, or its error.
func resultOf[R any](j jobs.Job) (*R, error) {
	if err := JobError(j); err != nil {
		return nil, err
	}
	var result R
	if err := json.Unmarshal(j.Result, &result); err != nil {
		return nil, fmt.Errorf("result of job %s: %w", j.ID, err)
	}
	return &result, nil
}

// DescribeFailure is how an error is kept with a job.
func DescribeFailure(err error) jobs.Failure {
	p := NewProblem(err)
	detail, _ := json.Marshal(p)
	return jobs.Failure{Kind: p.Kind, Message: p.Detail, Detail: detail}
}

// JobError is the error with which a job has failed, of the kind that it was of;
// nil for one that has not.
func JobError(j jobs.Job) error {
	if j.Error == nil {
		return nil
	}
	return failureOf(j.Error)
}

func failureOf(f *jobs.Failure) error {
	p := Problem{Kind: f.Kind, Detail: f.Message}
	if len(f.Detail) > 0 {
		_ = json.Unmarshal(f.Detail, &p)
	}
	return p.err()
}

// Scrub implements Upkeep.
func (c *Client) Scrub(ctx context.Context, opts store.ScrubOptions) (*store.Scrubbed, error) {
	return work[store.Scrubbed](ctx, c, "content/scrub", chores.ScrubArgs{Fresh: opts.Fresh, Rate: opts.Rate}, Hearing{Line: func(l jobs.Line) {
		var d store.Damage
		if opts.Found != nil && len(l.Data) > 0 && json.Unmarshal(l.Data, &d) == nil {
			opts.Found(d)
		}
	}})
}

// Collect implements Upkeep.
func (c *Client) Collect(ctx context.Context, opts store.CollectOptions) (*store.Collected, error) {
	if opts.DryRun {
		return follow[store.Kept, store.Collected](ctx, c, "content/collect/preview", nil, opts.Kept)
	}
	done, err := work[chores.Collected](ctx, c, "content/collect", chores.CollectArgs{Now: opts.Now}, Hearing{})
	if err != nil {
		return nil, err
	}
	return done.Collected, nil
}
