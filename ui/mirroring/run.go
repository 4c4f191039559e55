package mirroring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// watch tells how far a run is.
type watch struct {
	job *jobs.Run

	mu sync.Mutex // protects at
	at jobs.Progress
}

func (w *watch) update(change func(*jobs.Progress)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.at)
	w.job.Report(w.at)
}

// event is the hook for mirror.Options.
func (w *watch) event(e registry.Event) {
	w.update(func(p *jobs.Progress) {
		switch e.Kind {
		case registry.Planned:
			p.TotalBytes = e.Bytes
		case registry.Advanced:
			p.Bytes += e.Bytes
		case registry.Landed:
			p.Items++
		}
	})
}

func (w *watch) moved() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at.Bytes
}

// carryOut is a job: it makes a run's plan and runs it. Begun again, it finds what
// it brought before.
func (m *Mirroring) carryOut(ctx context.Context, j *jobs.Run) (any, error) {
	var a args
	if err := j.Args(&a); err != nil {
		return nil, err
	}
	w := &watch{job: j}
	report, err := m.mirror(ctx, a.Mirrors, w)
	did := result{Outcome: newOutcome(report), Report: changes(report)}
	did.Outcome.Moved = w.moved()
	if err == nil {
		err = report.Err()
		did.State = did.Outcome.state(err)
	} else {
		did.State = Failed
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // whatever that broke
	}
	if err != nil {
		did.Outcome.Error, did.Outcome.Kind = oneLine(err), kindOf(err)
		err = &failure{err, did.Outcome.Error}
	}
	if !errors.Is(err, jobs.ErrShutdown) {
		m.ended(a.Mirrors, did)
	}
	return did, err
}

// mirror brings mirrors level. Nothing of them is collected meanwhile.
func (m *Mirroring) mirror(ctx context.Context, names []string, w *watch) (*mirror.Report, error) {
	file := m.Config()
	m.log.Info("mirrors run", "run", w.job.ID(), "mirrors", names)
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
	w.update(func(p *jobs.Progress) { p.Phase = "planning" })
	opts := mirror.Options{Mirrors: names, Trust: policy, Progress: w.event, Now: m.now}
	plan, err := mirror.MakePlan(ctx, file, up, m.store, opts)
	if err != nil {
		return nil, err
	}
	// A run that finds less to do than before got further, and is begun again however
	// often the appliance ended.
	left := fmt.Sprintf("compared: %d images of %d bytes missing", plan.Count(mirror.Copy), plan.Bytes)
	if err := w.job.Step(ctx, left, func(context.Context) error { return nil }); err != nil {
		return nil, err
	}
	w.update(func(p *jobs.Progress) { p.Phase, p.TotalItems = "copying", int64(plan.Count(mirror.Copy)) })
	return plan.Run(ctx, file, m.store, opts)
}

// ended tells the log how a run ended, and notes which links it waits for.
func (m *Mirroring) ended(names []string, did result) {
	total := did.Outcome.Total()
	level := slog.LevelInfo
	switch did.State {
	case Partial:
		level = slog.LevelWarn
	case Failed:
		level = slog.LevelError
	}
	m.log.Log(context.Background(), level, "a run of mirrors ended", "mirrors", names, "state", did.State, "error", did.Outcome.Error,
		"copied", total.Copied, "refused", total.Refused, "failed", total.Failed, "deleted", total.Deleted, "bytes", did.Outcome.Moved)
	run := Run{Outcome: did.Outcome}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		if until := run.tally(name).Until; until != nil && m.times[name] != nil {
			m.times[name].again = *until
		}
	}
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
