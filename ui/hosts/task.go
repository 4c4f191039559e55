package hosts

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// task is an operation that somebody waits for.
type task struct {
	op   host.Op
	done chan struct{} // closed when result or err is there

	once   sync.Once
	result host.Result
	err    error

	mu       sync.Mutex // protects waiting
	waiting  int        // callers of Do
	progress func(host.Result)
}

func (t *task) end(r host.Result, err error) {
	t.once.Do(func() {
		t.result, t.err = r, err
		close(t.done)
	})
}

const lookForSilence = 5 * time.Second

// Do has a host do an operation and waits for its end, through restarts of its agent and
// for as long as the host can be silent. Asked for again with the same id, by another
// caller or after a restart of the appliance, it is the same operation. That it failed is
// in its result, and no error. ErrNotFound without the host, or when it is unlinked
// meanwhile; ErrUnreachable when it is silent for too long. When ctx ends the agent goes
// on with it.
func (h *Hosts) Do(ctx context.Context, name string, op host.Op, progress func(host.Result)) (host.Result, error) {
	if err := op.Valid(); err != nil {
		return host.Result{}, err
	}
	id, t, err := h.ask(name, op, progress)
	if err != nil {
		return host.Result{}, err
	}
	defer h.leave(id, t)
	tick := time.NewTicker(lookForSilence)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-t.done:
			return t.result, t.err
		case <-ctx.Done():
			return host.Result{}, context.Cause(ctx)
		case <-tick.C:
			if err := h.silent(id, began); err != nil {
				return host.Result{}, err
			}
		}
	}
}

// ask makes an operation one of a host's tasks, unless it is one.
func (h *Hosts) ask(name string, op host.Op, progress func(host.Result)) (id string, t *task, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, err := h.find(name)
	if err != nil {
		return "", nil, err
	}
	for _, have := range e.tasks {
		if have.op.ID == op.ID {
			t = have
		}
	}
	if t == nil {
		t = &task{op: op, done: make(chan struct{})}
		e.tasks = append(e.tasks, t)
		e.rouse()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting++
	if progress != nil {
		t.progress = progress
	}
	return e.ID, t, nil
}

// leave lets go of a task that nobody waits for any more. The agent, which may be at it,
// is not told of it again.
func (h *Hosts) leave(id string, t *task) {
	t.mu.Lock()
	t.waiting--
	last := t.waiting == 0
	t.mu.Unlock()
	if !last {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.byID[id]; e != nil {
		e.drop(t)
	}
}

func (e *entry) drop(t *task) {
	for i, have := range e.tasks {
		if have == t {
			e.tasks = append(e.tasks[:i:i], e.tasks[i+1:]...)
			return
		}
	}
}

// silent is an error when a host was not heard of for too long.
func (h *Hosts) silent(id string, since time.Time) error {
	if h.opts.Patience < 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.byID[id]
	if e == nil || e.polls > 0 {
		return nil
	}
	if e.heard.After(since) {
		since = e.heard
	}
	if d := time.Since(since); d > h.opts.Patience {
		return fmt.Errorf("host %s: %w: its agent was not heard of for %s: look whether the machine runs and reaches this appliance", e.Name, registry.ErrUnreachable, d.Round(time.Second))
	}
	return nil
}

// report takes what an agent says of an operation; ErrNotFound when nobody waits for it.
func (h *Hosts) report(id string, r host.Result) error {
	h.mu.Lock()
	var t *task
	if e := h.byID[id]; e != nil {
		for _, have := range e.tasks {
			if have.op.ID == r.ID {
				t = have
			}
		}
		if t != nil && r.State != host.Running {
			e.drop(t)
		}
	}
	h.mu.Unlock()
	if t == nil {
		return fmt.Errorf("operation %s: %w: nobody waits for it", r.ID, registry.ErrNotFound)
	}
	if r.State != host.Running {
		t.end(r, nil)
		return nil
	}
	t.mu.Lock()
	progress := t.progress
	t.mu.Unlock()
	if progress != nil {
		progress(r)
	}
	return nil
}
