package mirroring

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// Progress is how far a run is.
type Progress struct {
	Planned int64 `json:"planned"` // bytes that are to move
	Moved   int64 `json:"moved"`
	Images  int   `json:"images"` // that are to be copied
	Copied  int   `json:"copied"` // of these
}

// job is a run that has not ended.
type job struct {
	run     Run
	resumes bool            // it was interrupted before
	ctx     context.Context //nolint:containedctx // of what goes on after its request
	cancel  context.CancelCauseFunc
	ended   chan struct{} // closed when the history says how it ended

	mu    sync.Mutex // protects the fields below
	state State
	at    Progress
}

func newJob(ctx context.Context, run Run) *job {
	j := &job{run: run, state: Waiting, ended: make(chan struct{})}
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	return j
}

func (j *job) id() int64 { return j.run.ID }

func (j *job) update(change func(*Progress)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.at)
}

func (j *job) start() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state = Running
}

// live is the run as it is now.
func (j *job) live() Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := j.at
	return Run{ID: j.run.ID, Mirrors: j.run.Mirrors, Trigger: j.run.Trigger, State: j.state, Started: j.run.Started, Progress: &at}
}

// event is the hook for mirror.Options.
func (j *job) event(e registry.Event) {
	j.update(func(p *Progress) {
		switch e.Kind {
		case registry.Planned:
			p.Planned = e.Bytes
		case registry.Advanced:
			p.Moved += e.Bytes
		case registry.Landed:
			p.Copied++
		}
	})
}

// carryOut makes a run's plan and runs it. Nothing of it is collected meanwhile.
func (m *Mirroring) carryOut(j *job) (*mirror.Report, error) {
	ctx, file := j.ctx, m.Config()
	m.log.Info("mirrors run", "run", j.id(), "mirrors", j.run.Mirrors, "trigger", j.run.Trigger)
	if j.resumes {
		if err := m.store.ResumeRun(ctx, j.id()); err != nil {
			return nil, err
		}
	}
	release, err := m.store.Hold(ctx, store.HoldImport)
	if err != nil {
		return nil, err
	}
	defer release()
	policy, err := m.store.TrustPolicy(ctx)
	if err != nil {
		return nil, err
	}
	up, err := remote.New(remote.Options{Hosts: file.Hosts()})
	if err != nil {
		return nil, err
	}
	defer up.Close()
	opts := mirror.Options{Mirrors: j.run.Mirrors, Trust: policy, Progress: j.event, Now: m.now}
	plan, err := mirror.MakePlan(ctx, file, up, m.store, opts)
	if err != nil {
		return nil, err
	}
	j.update(func(p *Progress) { p.Images = plan.Count(mirror.Copy) })
	return plan.Run(ctx, file, m.store, opts)
}

// end writes down how a run ended, and lets the next one go.
func (m *Mirroring) end(j *job, report *mirror.Report, err error) {
	run := j.conclude(report, err, m.now())
	m.write(run)
	run.Report = nil // only the history has it
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range run.Mirrors {
		if run.State == Interrupted {
			break
		}
		m.last[name] = run
		if until := run.tally(name).Until; until != nil && m.times[name] != nil {
			m.times[name].again = *until
		}
	}
	j.cancel(nil)
	close(j.ended)
	if m.current == j {
		m.current = nil
		m.next()
	}
}

// write puts a run's end into the history and the log.
func (m *Mirroring) write(run Run) {
	total := run.Outcome.Total()
	log := m.log.With("run", run.ID, "mirrors", run.Mirrors, "state", run.State)
	stored, err := encode(run)
	if err == nil {
		err = m.store.EndRun(context.WithoutCancel(m.ctx), stored)
	}
	if err != nil {
		log.Error("the end of a run is not in the history: it goes on at the next start", "error", err)
	}
	log = log.With("copied", total.Copied, "deleted", total.Deleted, "bytes", run.Outcome.Moved)
	switch run.State {
	case Partial:
		log.Warn("a run of mirrors ended", "error", run.Outcome.Error, "refused", total.Refused, "failed", total.Failed)
	case Failed:
		log.Error("a run of mirrors ended", "error", run.Outcome.Error)
	default:
		log.Info("a run of mirrors ended")
	}
}

// conclude says how a run ended that has a report, or an error, or both.
func (j *job) conclude(report *mirror.Report, err error, now time.Time) Run {
	run := j.live()
	moved := run.Progress.Moved
	run.Progress = nil
	now = now.UTC()
	run.Ended = &now
	run.Outcome = newOutcome(report)
	run.Outcome.Moved = moved
	run.Report = changes(report)
	if err != nil && j.ctx.Err() != nil {
		err = context.Cause(j.ctx) // whatever that broke
	}
	switch {
	case errors.Is(err, errCanceled):
		run.State = Canceled
	case errors.Is(err, errClosing):
		run.State = Interrupted
	case err != nil:
		run.State = Failed
	default:
		err = report.Err()
		run.State = run.Outcome.state(err)
	}
	if err != nil {
		run.Outcome.Error, run.Outcome.Kind = oneLine(err), kindOf(err)
	}
	return run
}
