package api

import (
	"context"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// jobAnswer is a job that was started, or was there already.
type jobAnswer struct {
	Location string `header:"Location" doc:"Where the job is"`
	Body     jobs.Job
}

func jobStarted(j jobs.Job, err error) (*jobAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &jobAnswer{Prefix + "/jobs/" + j.ID, j}, nil
}

// Keyed is the input of what starts work.
type Keyed struct {
	Key string `header:"Idempotency-Key" maxLength:"128" doc:"The same key starts the same work once, however often it is sent"`
}

// addJob registers the operation that starts a kind of job, with arguments of this
// type.
func addJob[A any](a *API, r route, kind string, _ A) {
	r.method, r.status = http.MethodPost, http.StatusAccepted
	add(a, r, func(ctx context.Context, in *struct {
		Keyed
		Body A
	}) (*jobAnswer, error) {
		return jobStarted(a.opts.Jobs.Start(ctx, kind, in.Body, jobs.StartOptions{IdempotencyKey: in.Key}))
	})
}

// JobInput names a job.
type JobInput struct {
	ID string `path:"id" maxLength:"64" doc:"The job's id"`
}

type jobsInput struct {
	Kind   string     `query:"kind" doc:"Of this kind only"`
	State  jobs.State `query:"state" enum:"queued,running,waiting,done,failed,cancelled" doc:"In this state only"`
	Before string     `query:"before" doc:"Those before this one: next of the page before"`
	Limit  int        `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Where the next page begins; absent on the last"`
}

// pageOf cuts a list, asked for with one more than the limit, to its page.
func pageOf[T any](list []T, limit int, key func(T) string) page[T] {
	p := page[T]{Items: list}
	if len(list) > limit {
		p.Items = list[:limit]
		p.Next = key(p.Items[limit-1])
	}
	if p.Items == nil {
		p.Items = []T{}
	}
	return p
}

type linesInput struct {
	JobInput
	After int64 `query:"after" minimum:"0" doc:"Those after this one"`
	Limit int   `query:"limit" minimum:"1" maximum:"1000" default:"1000"`
	Wait  int   `query:"wait" minimum:"0" maximum:"60" doc:"Seconds to wait for something new; 0 to wait for nothing"`
}

// jobLines is what a job told, and how it is.
type jobLines struct {
	Job   jobs.Job    `json:"job"`
	Lines []jobs.Line `json:"lines"`
}

// newJobLines has a list even when nothing was told.
func newJobLines(j jobs.Job, lines []jobs.Line) jobLines {
	if lines == nil {
		lines = []jobs.Line{}
	}
	return jobLines{j, lines}
}

func (a *API) jobRoutes() {
	p := a.opts.Jobs
	add(a, route{method: http.MethodGet, path: "/jobs", id: "list-jobs", right: "jobs.read", summary: "List jobs, the newest first"},
		func(ctx context.Context, in *jobsInput) (*answer[page[jobs.Job]], error) {
			list, err := p.List(ctx, jobs.Filter{Kind: in.Kind, State: in.State, Before: in.Before, Limit: in.Limit + 1})
			return give(pageOf(list, in.Limit, func(j jobs.Job) string { return j.ID }), err)
		})
	add(a, route{method: http.MethodGet, path: "/jobs/{id}", id: "get-job", right: "jobs.read", summary: "Read a job"},
		func(ctx context.Context, in *JobInput) (*answer[jobs.Job], error) { return give(p.Get(ctx, in.ID)) })
	add(a, route{method: http.MethodGet, path: "/jobs/{id}/lines", id: "list-job-lines", right: "jobs.read", summary: "Read what a job tells, and wait for more"}, a.jobLines)
	add(a, route{method: http.MethodPost, path: "/jobs/{id}/cancel", id: "cancel-job", right: "jobs.write", summary: "End a job; what it did stays"},
		func(ctx context.Context, in *JobInput) (*answer[jobs.Job], error) { return give(p.Cancel(ctx, in.ID)) })
	add(a, route{method: http.MethodPost, path: "/jobs/{id}/retry", id: "retry-job", right: "jobs.write", summary: "Let a job that failed or was cancelled go on"},
		func(ctx context.Context, in *JobInput) (*answer[jobs.Job], error) { return give(p.Retry(ctx, in.ID)) })
}

func (a *API) jobLines(ctx context.Context, in *linesInput) (*answer[jobLines], error) {
	p := a.opts.Jobs
	j, err := p.Get(ctx, in.ID) // first: its last lines come together with its end
	if err != nil {
		return nil, err
	}
	if in.Wait == 0 || j.State.Ended() {
		lines, err := p.Lines(ctx, in.ID, in.After, in.Limit)
		return give(newJobLines(j, lines), err)
	}
	wait := time.Duration(in.Wait) * time.Second
	if j.Stuck != nil { // told soon, and not over and over
		wait = min(wait, time.Second)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	go func() {
		select {
		case <-a.opts.Ending:
			cancel()
		case <-waiting.Done():
		}
	}()
	lines, err := p.WaitLines(waiting, in.ID, in.After, in.Limit)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		lines, err = nil, nil
	}
	if err == nil && len(lines) == 0 {
		j, err = p.Get(ctx, in.ID) // how far it is; its end is told once more, with the lines before it
		if j.State.Ended() {
			lines, err = p.Lines(ctx, in.ID, in.After, in.Limit)
		}
	}
	return give(newJobLines(j, lines), err)
}
