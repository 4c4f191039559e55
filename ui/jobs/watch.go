package jobs

import (
	"context"
	"sync"
)

// watchers wake those who wait for something new of a job.
type watchers struct {
	mu sync.Mutex // protects of, and what it holds
	of map[string]*watcher
}

type watcher struct {
	count   int           // of those who wait
	changed chan struct{} // closed at the next change
}

// watch begins to watch a job: changed is closed at the next change after a call
// of it, until end.
func (w *watchers) watch(id string) (changed func() <-chan struct{}, end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.of[id]
	if at == nil {
		at = &watcher{changed: make(chan struct{})}
		w.of[id] = at
	}
	at.count++
	changed = func() <-chan struct{} {
		w.mu.Lock()
		defer w.mu.Unlock()
		return at.changed
	}
	end = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if at.count--; at.count == 0 {
			delete(w.of, id)
		}
	}
	return changed, end
}

func (w *watchers) tell(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := w.of[id]; at != nil {
		close(at.changed)
		at.changed = make(chan struct{})
	}
}

func (w *watchers) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.of {
		close(at.changed)
		at.changed = make(chan struct{})
	}
}

// Await waits until a job has ended, and returns it then.
func (p *Pool) Await(ctx context.Context, id string) (Job, error) {
	changed, end := p.watchers.watch(id)
	defer end()
	for {
		next := changed()
		j, err := p.Get(ctx, id)
		if err != nil || j.State.Ended() {
			return j, err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return j, context.Cause(ctx)
		}
	}
}

// WaitLines is Lines when there are any, or when the job has ended. Otherwise it
// waits until there are, until the job is in another state, or until it is stuck. Who follows a job to
// its end reads its state before its lines: the last lines come together with the
// end.
func (p *Pool) WaitLines(ctx context.Context, id string, after int64, limit int) ([]Line, error) {
	changed, end := p.watchers.watch(id)
	defer end()
	held := p.stuck.Load()
	for before := State(""); ; {
		at, next := p.stuck.Load(), changed()
		j, err := find(ctx, p.db.Read, id) // first: an end comes together with the last lines
		if err != nil {
			return nil, err
		}
		lines, err := p.Lines(ctx, id, after, limit)
		if err != nil || len(lines) > 0 || j.State.Ended() || at != nil && at != held || before != "" && before != j.State {
			return lines, err
		}
		before = j.State
		select {
		case <-next:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
