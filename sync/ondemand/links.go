package ondemand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// restFor is for how long a host that did not answer is not asked what a tag is now,
// so that pulls of what is here go on at full speed while it is dead.
const restFor = 30 * time.Second

// links remembers which hosts did not answer.
type links struct {
	mu   sync.Mutex // protects down
	down map[string]time.Time
}

// window is ErrUnreachable while the link to the place's host may not be used.
func (u *Upstream) window(p *place) error {
	open, change := p.file.Registry(p.host).Windows.Open(u.now())
	if open {
		return nil
	}
	return fmt.Errorf("%w: the link to %s is closed until %s", registry.ErrUnreachable, p.host, change.Format(time.RFC3339))
}

// link is window, and ErrUnreachable while a host that did not answer is left alone.
func (u *Upstream) link(p *place) error {
	if err := u.window(p); err != nil {
		return err
	}
	u.links.mu.Lock()
	defer u.links.mu.Unlock()
	since, down := u.links.down[p.host]
	if !down || u.now().Sub(since) >= restFor {
		return nil
	}
	return fmt.Errorf("%w: %s did not answer lately; it is asked again in %s", registry.ErrUnreachable, p.host,
		(restFor - u.now().Sub(since)).Round(time.Second))
}

// report notes what a request to the place's host came to, and returns it.
func (u *Upstream) report(p *place, err error) error {
	if u.ctx.Err() != nil {
		return err
	}
	u.links.mu.Lock()
	defer u.links.mu.Unlock()
	_, was := u.links.down[p.host]
	if !errors.Is(err, registry.ErrUnreachable) {
		delete(u.links.down, p.host)
		return err
	}
	if u.links.down == nil {
		u.links.down = map[string]time.Time{}
	}
	u.links.down[p.host] = u.now()
	if !was {
		u.log.Warn("an upstream does not answer; what is here is served without it", "host", p.host, "err", err)
	}
	return err
}

// warn logs what no client is told, unless it is the end of the site.
func (u *Upstream) warn(ctx context.Context, what string, p *place, err error, more ...any) {
	if u.ctx.Err() == nil {
		u.log.With(more...).LogAttrs(ctx, slog.LevelWarn, what, slog.String("repository", p.repository), slog.Any("err", err))
	}
}
