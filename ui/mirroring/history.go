package mirroring

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Trigger is why a run began.
type Trigger string

// Why a run can have begun.
const (
	Manual   Trigger = "manual"
	Schedule Trigger = "schedule"
	Window   Trigger = "window" // of a link that was closed before
)

// State is what a run does, or how it ended.
type State string

// What a run can do, and how it can end.
const (
	Waiting  State = "waiting" // for the run before it
	Running  State = "running"
	Done     State = "done"
	Partial  State = "partial"  // not all could be had
	Deferred State = "deferred" // what is missing waits for its link
	Failed   State = "failed"
	Canceled State = "canceled"
)

// Run is one run of mirrors: its job, in terms of mirrors.
type Run struct {
	ID       string         `json:"id" doc:"That of its job; ascends with time"`
	Mirrors  []string       `json:"mirrors"`
	Trigger  Trigger        `json:"trigger" enum:"manual,schedule,window"`
	State    State          `json:"state" enum:"waiting,running,done,partial,deferred,failed,canceled"`
	Started  time.Time      `json:"started"`
	Ended    *time.Time     `json:"ended,omitempty"`
	Progress *Progress      `json:"progress,omitempty" doc:"Until it has ended"`
	Outcome  *Outcome       `json:"outcome,omitempty" doc:"When it has ended"`
	Report   *mirror.Report `json:"report,omitempty" doc:"What changed; where one run is asked for"`
}

// Progress is how far a run is.
type Progress struct {
	Planned int64 `json:"planned"` // bytes that are to move
	Moved   int64 `json:"moved"`
	Images  int   `json:"images"` // that are to be copied
	Copied  int   `json:"copied"` // of these
}

// Live reports whether the run has not ended.
func (r *Run) Live() bool { return r.State == Waiting || r.State == Running }

// tally is what the run did for one mirror.
func (r *Run) tally(mirror string) Tally {
	if r.Outcome != nil {
		for _, t := range r.Outcome.Mirrors {
			if t.Name == mirror {
				return t
			}
		}
	}
	return Tally{Name: mirror}
}

// args are what a job is asked for.
type args struct {
	Mirrors []string `json:"mirrors"`
	Trigger Trigger  `json:"trigger"`
	// At is when it began by itself, by the clock that schedules go by.
	At time.Time `json:"at,omitzero"`
}

// result is what a job did.
type result struct {
	State   State          `json:"state"`
	Outcome *Outcome       `json:"outcome"`
	Report  *mirror.Report `json:"report"`
}

// runOf is a job as a run.
func runOf(j jobs.Job) (Run, error) {
	var a args
	r := Run{ID: j.ID, Started: j.Created}
	if !j.Started.IsZero() {
		r.Started = j.Started
	}
	if !j.Ended.IsZero() {
		r.Ended = &j.Ended
	}
	did := result{State: Failed}
	if err := jobs.Decode(j.Args, &a); err != nil {
		return r, fmt.Errorf("run %s: %w", j.ID, err)
	}
	if err := jobs.Decode(j.Result, &did); err != nil {
		return r, fmt.Errorf("run %s: %w", j.ID, err)
	}
	if !a.At.IsZero() {
		r.Started = a.At
	}
	r.Mirrors, r.Trigger, r.Outcome, r.Report = a.Mirrors, a.Trigger, did.Outcome, did.Report
	switch j.State {
	case jobs.Queued, jobs.Waiting:
		r.State = Waiting
	case jobs.Running:
		r.State = Running
	case jobs.Cancelled:
		r.State = Canceled
	default:
		r.State = did.State
	}
	if r.Live() {
		at := j.Progress
		r.Progress = &Progress{Planned: at.TotalBytes, Moved: at.Bytes, Images: int(at.TotalItems), Copied: int(at.Items)}
		r.Outcome, r.Report = nil, nil
	} else if r.Outcome == nil {
		r.Outcome = &Outcome{Mirrors: []Tally{}}
	}
	if err := j.Err(); err != nil && r.Outcome != nil && r.Outcome.Error == "" {
		r.Outcome.Error = oneLine(err)
	}
	return r, nil
}

// History is what runs did.
type History struct{ pool *jobs.Pool }

// NewHistory reads the runs among a pool's jobs.
func NewHistory(p *jobs.Pool) *History { return &History{p} }

// Runs lists runs without what they changed, the newest first: at most limit, all
// when 0, of those before an id, the newest when that is empty.
func (h *History) Runs(ctx context.Context, before string, limit int) ([]Run, error) {
	list, err := h.pool.List(ctx, jobs.Filter{Kind: Kind, Before: before, Limit: limit, Results: true})
	if err != nil {
		return nil, err
	}
	runs := make([]Run, len(list))
	for k, j := range list {
		if runs[k], err = runOf(j); err != nil {
			return nil, err
		}
		runs[k].Report = nil
	}
	return runs, nil
}

// kept is how many runs tell how the mirrors do.
const kept = 200

func (h *History) all(ctx context.Context) ([]Run, error) { return h.Runs(ctx, "", kept) }

// Run returns one run with what it changed. ErrNotFound when the history has no
// such run, or has it no more.
func (h *History) Run(ctx context.Context, id string) (Run, error) {
	j, err := h.pool.Get(ctx, id)
	if err == nil && j.Kind != Kind {
		err = registry.ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("run %s: %w", id, err)
	}
	return runOf(j)
}

// live are the runs that have not ended, by mirror.
func (h *History) live(ctx context.Context) (map[string]Run, error) {
	list, err := h.pool.List(ctx, jobs.Filter{Kind: Kind, Live: true})
	if err != nil {
		return nil, err
	}
	busy := map[string]Run{}
	for _, j := range list {
		run, err := runOf(j)
		if err != nil {
			return nil, err
		}
		for _, name := range run.Mirrors {
			busy[name] = run
		}
	}
	return busy, nil
}
