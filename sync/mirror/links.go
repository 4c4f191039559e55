package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/config"
)

// links are the ways to the hosts of the sources during a run.
type links struct {
	cfg *config.File
	now func() time.Time

	mu    sync.Mutex // protects hosts
	hosts map[string]*link
}

// link is what one host takes: so many transfers at once, in its windows, and
// none any more when it is dead.
type link struct {
	host  string
	slots chan struct{} // nil: as many as the run has
	until time.Time     // when its window ends; zero: never

	mu    sync.Mutex // protects the fields below
	fails int        // in a row, that nobody answered
	last  error
}

// deadAfter is after how many blobs in a row that nobody answered for a host is
// asked no more in a run. Each of them was tried several times.
const deadAfter = 6

// errClosed says that the window of a link ended.
type closedError struct {
	host  string
	until time.Time // when it opens again
}

func (e *closedError) Error() string {
	return fmt.Sprintf("the link to %s is closed until %s", e.host, e.until.Format(time.RFC3339))
}

func newLinks(cfg *config.File, now func() time.Time) *links {
	return &links{cfg: cfg, now: now, hosts: map[string]*link{}}
}

// of is the link to an image's source.
func (l *links) of(i *Image) *link {
	host := i.from.Host()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.hosts[host]
	if at == nil {
		r := l.cfg.Registry(host)
		at = &link{host: host}
		if r.Transfers > 0 {
			at.slots = make(chan struct{}, r.Transfers)
		}
		if open, change := r.Windows.Open(l.now()); open {
			at.until = change
		} else {
			at.until = l.now()
		}
		l.hosts[host] = at
	}
	return at
}

// opens is when a closed link opens again.
func (l *links) opens(host string) time.Time {
	_, change := l.cfg.Registry(host).Windows.Open(l.now())
	return change
}

// take waits for a slot. The context ends with the link's window.
func (l *link) take(ctx context.Context) (context.Context, func(), error) {
	if err := l.dead(); err != nil {
		return ctx, nil, err
	}
	release := func() {}
	if l.slots != nil {
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx, nil, context.Cause(ctx)
		}
		release = func() { <-l.slots }
	}
	if l.until.IsZero() {
		return ctx, release, nil
	}
	ctx, cancel := context.WithDeadlineCause(ctx, l.until, &closedError{host: l.host})
	if ctx.Err() != nil {
		cancel()
		release()
		return ctx, nil, context.Cause(ctx)
	}
	inner := release
	return ctx, func() { cancel(); inner() }, nil
}

func (l *link) dead() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails < deadAfter {
		return nil
	}
	return fmt.Errorf("given up after %d blobs that %s did not send: %w", l.fails, l.host, l.last)
}

// ended notes how a transfer ended, and says so.
func (l *link) ended(ctx context.Context, err error) error {
	if shut := (*closedError)(nil); err != nil && errors.As(context.Cause(ctx), &shut) {
		return shut
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	side := (*registry.CopyError)(nil)
	switch {
	case err == nil:
		l.fails = 0
	case errors.Is(err, registry.ErrUnreachable) && errors.As(err, &side) && side.Side == "source":
		l.fails++
		l.last = err
	}
	return err
}
