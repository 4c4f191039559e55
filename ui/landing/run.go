package landing

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
)

// run is one landing.
type run struct {
	admission *bundle.Admission
	reader    *bundle.Reader
	ended     chan struct{} // closed after err was set

	mu      sync.Mutex // protects the fields below
	at      Progress
	changed chan struct{} // closed with the next change
	err     error
}

func newRun(a *bundle.Admission, r *bundle.Reader) *run {
	return &run{admission: a, reader: r, ended: make(chan struct{}), changed: make(chan struct{})}
}

// land brings the content in. It leaves a processor to the site's clients.
func (r *run) land(ctx context.Context, dst registry.Writer, tell func(Progress)) (*Progress, error) {
	opts := registry.CopyOptions{Jobs: max(1, runtime.NumCPU()-1), Progress: r.event}
	if tell != nil {
		told := throttled(tell)
		opts.Progress = func(e registry.Event) {
			r.event(e)
			told(r.progress())
		}
	}
	if err := r.admission.Land(ctx, dst, opts); err != nil {
		return nil, err
	}
	r.update(func(p *Progress) { p.Verdict = r.admission.Verdict })
	p := r.progress()
	return &p, nil
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
	defer r.mu.Unlock()
	change(&r.at)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *run) end(err error) {
	r.err = err
	close(r.ended)
}

// tellEvery is how often it is said how far a landing is.
const tellEvery = 200 * time.Millisecond

// wait follows a landing until it or ctx ends.
func (r *run) wait(ctx context.Context, tell func(Progress)) (*Progress, error) {
	told := Progress{}
	for {
		r.mu.Lock()
		at, changed := r.at, r.changed
		r.mu.Unlock()
		if tell != nil && at != told {
			told = at
			tell(at)
		}
		select {
		case <-r.ended:
			at = r.progress()
			return &at, r.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
		if told == (Progress{}) {
			continue // the first news are told at once
		}
		select {
		case <-time.After(tellEvery):
		case <-r.ended:
		case <-ctx.Done():
		}
	}
}

// throttled tells of one of many events only.
func throttled(tell func(Progress)) func(Progress) {
	var mu sync.Mutex // protects last, and is held around tell
	var last time.Time
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) > tellEvery {
			last = time.Now()
			tell(p)
		}
	}
}
