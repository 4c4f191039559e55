package landing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// errRemoved says that a medium was taken out before all was in the store.
var errRemoved = errors.New("the medium was removed before all was in the store; what is there stays: bring any copy of the bundle, and it goes on")

// run is one landing under way.
type run struct {
	job *jobs.Run

	mu sync.Mutex // protects at
	at Progress
}

// land carries out a job.
func (l *Landing) land(ctx context.Context, j *jobs.Run) (any, error) {
	var a args
	if err := j.Args(&a); err != nil {
		return nil, err
	}
	opts, err := a.Options()
	if err != nil {
		return nil, err
	}
	r, source, err := l.find(ctx, j, a)
	if err != nil { // it could be read when the job was started
		return nil, &jobs.Wait{For: waitKey(a.Bundle), Err: errors.Join(errRemoved, err)}
	}
	defer r.Close()
	run := &run{job: j, at: Progress{Bundle: a.Bundle, Source: source.String()}}
	j.Log(slog.LevelInfo, "lands from "+source.String(), nil)
	err = l.bring(ctx, run, r, opts, a.Attach)
	if err != nil && ctx.Err() == nil && !l.readable(ctx, source, a.Bundle) {
		return nil, &jobs.Wait{For: waitKey(a.Bundle), Err: errors.Join(errRemoved, err)}
	}
	if err != nil {
		return nil, err
	}
	if l.opts.Landed != nil {
		l.opts.Landed(ctx, source)
	}
	return run.progress(), nil
}

// find opens the bundle where it was last, where a copy was offered, or where it
// was at first, and remembers where that is.
func (l *Landing) find(ctx context.Context, j *jobs.Run, a args) (*bundle.Reader, Source, error) {
	l.mu.Lock()
	offered := l.copies[a.Bundle]
	delete(l.copies, a.Bundle)
	l.mu.Unlock()
	var last Source
	if _, err := j.Cursor(&last); err != nil {
		return nil, last, err
	}
	var first error
	for _, s := range []Source{offered, last, a.Source} {
		if s == (Source{}) {
			continue
		}
		r, err := l.open(ctx, s, a.Bundle)
		if err == nil && s != last {
			if err = j.SetCursor(ctx, s); err != nil {
				r.Close()
				return nil, s, err
			}
		}
		if err == nil {
			return r, s, nil
		}
		first = cmp.Or(first, err)
	}
	return nil, a.Source, first
}

// readable reports whether the bundle of an id is at a source.
func (l *Landing) readable(ctx context.Context, s Source, id string) bool {
	r, err := l.open(ctx, s, id)
	if err != nil {
		return false
	}
	return r.Close() == nil
}

// bring asks the policy and brings the content in, attached where that is wanted.
func (l *Landing) bring(ctx context.Context, run *run, r *bundle.Reader, opts bundle.LandOptions, asked bool) error {
	a, err := bundle.Admit(ctx, l.store, r, opts)
	if err != nil {
		return err
	}
	attached := r.Attachable() && (asked || len(r.Signatures()) > 0)
	if asked && !attached {
		run.job.Log(slog.LevelWarn, "hosts cannot pull from this drive; they can when all is in the store", nil)
	}
	landing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if attached {
		defer l.view.Attach(a, func(err error) { cancel(err) })()
		run.update(func(p *Progress) { p.Attached = true })
		run.job.Log(slog.LevelInfo, "attached: hosts can pull", nil)
	}
	// It leaves a processor to the site's clients.
	err = a.Land(landing, l.store, registry.CopyOptions{Jobs: max(1, runtime.NumCPU()-1), Progress: run.event})
	if lost := context.Cause(landing); err != nil && lost != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", lost, err)
	}
	run.update(func(p *Progress) { p.Verdict = a.Verdict })
	return err
}

func (r *run) event(e registry.Event) {
	r.update(func(p *Progress) {
		switch e.Kind {
		case registry.Planned:
			p.Total = e.Bytes
		case registry.Advanced:
			p.Moved += e.Bytes
		case registry.Skipped:
			p.Present++
		}
	})
}

func (r *run) update(change func(*Progress)) {
	r.mu.Lock()
	change(&r.at)
	at := r.at
	r.mu.Unlock()
	told := jobs.Progress{Phase: "importing", Bytes: at.Moved, TotalBytes: at.Total, Items: int64(at.Present)}
	if at.Attached {
		told.Phase = PhaseAttached
	}
	r.job.Report(told)
}

func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}
