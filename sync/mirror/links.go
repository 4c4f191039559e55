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
	host    string
	slots   chan struct{} // nil: as many as the run has
	windows *config.Windows
	now     func() time.Time

	mu    sync.Mutex // protects the fields below
	fails int        // in a row, that nobody answered
	last  error
}

// deadAfter is after how many blobs in a row that nobody answered for a host is
// asked no more in a run. Each of them was tried several times.
const deadAfter = 6

// closedError says that the window of a link has ended.
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
		at = &link{host: host, windows: r.Windows, now: l.now}
		if r.Transfers > 0 {
			at.slots = make(chan struct{}, r.Transfers)
		}
		l.hosts[host] = at
	}
	return at
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
	now := l.now()
	open, change := l.windows.Open(now)
	switch {
	case !open:
		release()
		return ctx, nil, &closedError{l.host, change}
	case change.IsZero():
		return ctx, release, nil
	}
	_, again := l.windows.Open(change) // when it opens after that
	ctx, cancel := context.WithTimeoutCause(ctx, change.Sub(now), &closedError{l.host, again})
	return ctx, func() { cancel(); release() }, nil
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
