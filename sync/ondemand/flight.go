package ondemand

import (
	"context"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// askFor bounds one question to an upstream, with all its attempts.
const askFor = time.Minute

// answer is what an upstream says: a manifest, or a list.
type answer struct {
	known *known
	list  []registry.Descriptor
}

// flight is a question under way, for all who want to know.
type flight struct {
	done   chan struct{} // closed after the fields below were set
	answer answer
	err    error
}

// ask asks an upstream, or joins those who do. It gives up after patience, unless
// that is 0, and when ctx ends; the question goes on then for who comes next.
func (u *Upstream) ask(ctx context.Context, p *place, k key, patience time.Duration, question func(context.Context) (answer, error)) (answer, error) {
	f := u.fly(p, k, question)
	if f == nil {
		return answer{}, errEnding
	}
	var over <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-f.done:
		return f.answer, f.err
	case <-over:
		return answer{}, u.report(p, fmt.Errorf("%w: no answer from %s in %s", registry.ErrUnreachable, p.host, patience))
	case <-ctx.Done():
		return answer{}, context.Cause(ctx)
	}
}

// fly begins a question unless it is under way; nil after Close.
func (u *Upstream) fly(p *place, k key, question func(context.Context) (answer, error)) *flight {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.flights[k]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	started := u.goes(func(ctx context.Context) {
		ctx, cancel := context.WithTimeoutCause(ctx, askFor, fmt.Errorf("%w: no answer from %s in %s", registry.ErrUnreachable, p.host, askFor))
		defer cancel()
		if f.err = u.link(p); f.err == nil {
			f.answer, f.err = question(ctx)
			f.err = u.report(p, f.err)
		}
		u.mu.Lock()
		delete(u.flights, k)
		u.mu.Unlock()
		close(f.done)
	})
	if !started {
		return nil
	}
	u.flights[k] = f
	return f
}
