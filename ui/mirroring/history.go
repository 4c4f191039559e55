package mirroring

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/mirror"
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
	Waiting     State = "waiting" // for the run before it
	Running     State = store.RunRunning
	Done        State = "done"
	Partial     State = "partial"  // not all could be had
	Deferred    State = "deferred" // what is missing waits for its link
	Failed      State = "failed"
	Canceled    State = "canceled"
	Interrupted State = store.RunInterrupted // it goes on at the next start
)

// Run is one run of mirrors.
type Run struct {
	ID       int64          `json:"id"` // ascending with time, from 1
	Mirrors  []string       `json:"mirrors"`
	Trigger  Trigger        `json:"trigger"`
	State    State          `json:"state"`
	Started  time.Time      `json:"started"`
	Ended    *time.Time     `json:"ended,omitempty"`
	Progress *Progress      `json:"progress,omitempty"` // until it has ended
	Outcome  *Outcome       `json:"outcome,omitempty"`  // when it has ended
	Report   *mirror.Report `json:"report,omitempty"`   // what changed; where one run is asked for
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

// History is what runs did, as a store remembers it.
type History struct{ store *store.Store }

// OpenHistory opens the history of a store into which nobody runs mirrors yet:
// what runs in it was interrupted by a crash.
func OpenHistory(ctx context.Context, s *store.Store) (*History, error) {
	return &History{s}, s.InterruptRuns(ctx)
}

// Runs lists runs without what they changed, the newest first: at most limit, all
// when 0, of those before an id, the newest when 0.
func (h *History) Runs(ctx context.Context, before int64, limit int) ([]Run, error) {
	stored, err := h.store.Runs(ctx, before, limit)
	list := make([]Run, len(stored))
	for k := 0; err == nil && k < len(stored); k++ {
		list[k], err = decode(stored[k])
	}
	return list, err
}

// Run returns one run with what it changed. ErrNotFound when the history has no
// such run, or has it no more.
func (h *History) Run(ctx context.Context, id int64) (Run, error) {
	stored, err := h.store.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	return decode(stored)
}

func decode(stored store.MirrorRun) (r Run, err error) {
	r = Run{ID: stored.ID, Mirrors: stored.Mirrors, Trigger: Trigger(stored.Trigger), State: State(stored.State), Started: stored.Started}
	if !stored.Ended.IsZero() {
		r.Ended = &stored.Ended
	}
	err = json.Unmarshal(stored.Outcome, &r.Outcome)
	if err == nil && stored.Report != nil {
		err = json.Unmarshal(stored.Report, &r.Report)
	}
	if err != nil {
		err = fmt.Errorf("run %d: %w", r.ID, err)
	}
	return r, err
}

func encode(r Run) (stored store.MirrorRun, err error) {
	stored = store.MirrorRun{ID: r.ID, State: string(r.State), Ended: *r.Ended}
	if stored.Outcome, err = json.Marshal(r.Outcome); err == nil {
		stored.Report, err = json.Marshal(r.Report)
	}
	return stored, err
}

// Runs is History.Runs, with how far those are that have not ended.
func (m *Mirroring) Runs(ctx context.Context, before int64, limit int) ([]Run, error) {
	list, err := m.history.Runs(ctx, before, limit)
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, run := range list {
		if j := m.find(func(j *job) bool { return j.id() == run.ID }); j != nil {
			list[k] = j.live()
		}
	}
	return list, err
}

// Run is History.Run, with how far the run is when it has not ended.
func (m *Mirroring) Run(ctx context.Context, id int64) (Run, error) {
	m.mu.Lock()
	j := m.find(func(j *job) bool { return j.id() == id })
	m.mu.Unlock()
	if j != nil {
		return j.live(), nil
	}
	return m.history.Run(ctx, id)
}

// changes is a report without what was there already.
func changes(r *mirror.Report) *mirror.Report {
	if r == nil {
		return nil
	}
	short := *r
	short.Images = slices.DeleteFunc(slices.Clone(r.Images), func(i mirror.Result) bool { return i.State == mirror.Present })
	return &short
}
