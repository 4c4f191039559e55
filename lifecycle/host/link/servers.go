package link

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host/found"
	"github.com/landfall-dev/landfall/registry"
)

const (
	// maxServers is how many addresses of an appliance are remembered.
	maxServers = 8
	// searchEvery is how often at most the appliance is looked for on networks.
	searchEvery = time.Minute
)

// onNetworks finds appliances of an authority on the networks that this machine is on.
func onNetworks(ctx context.Context, hash string) ([]string, error) {
	fits := func(e found.Entry) bool { return e.Text[found.Authority] == hash && e.Port > 0 }
	list, err := found.Browse(ctx, found.Appliance, found.BrowseOptions{Until: fits})
	if err != nil {
		return nil, err
	}
	var servers []string
	for _, e := range list {
		if !fits(e) {
			continue
		}
		for _, at := range e.Addresses {
			u := url.URL{Scheme: "https", Host: netip.AddrPortFrom(at, uint16(e.Port)).String()} //nolint:gosec // it came in 16 bits
			servers = append(servers, u.String())
		}
	}
	return servers, nil
}

// exchange is a request and where its answer goes.
type exchange struct {
	method, path string
	body, to     any // nil: none
}

// call asks the appliance where it answered last, else at its other addresses, else where
// it is found. Each may take so long.
func (c *Client) call(ctx context.Context, limit time.Duration, x exchange) error {
	c.mu.Lock()
	known := slices.Clone(c.record.Servers)
	c.mu.Unlock()
	failed, done := c.callAt(ctx, limit, x, known)
	if done {
		return failed
	}
	fresh := slices.DeleteFunc(c.search(ctx), func(s string) bool { return slices.Contains(known, s) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	more, done := c.callAt(ctx, limit, x, fresh)
	if done {
		return more
	}
	return errors.Join(failed, more)
}

// callAt asks at some addresses, until the appliance has answered or ctx has ended.
func (c *Client) callAt(ctx context.Context, limit time.Duration, x exchange, servers []string) (failed error, done bool) {
	for _, server := range servers {
		limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
		err := c.ask(limited, server, x)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx), true
		}
		if elsewhere := (*absence)(nil); !errors.As(err, &elsewhere) {
			c.prefer(server)
			return err, true
		}
		failed = errors.Join(failed, err)
	}
	return failed, false
}

// absence is an error of an address at which the appliance has not answered.
type absence struct{ err error }

func (e *absence) Error() string { return e.err.Error() }

func (e *absence) Unwrap() error { return e.err }

// prefer asks a server first from now on, also after a restart.
func (c *Client) prefer(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record.Servers[0] == server {
		return
	}
	next := c.record
	next.Servers = append([]string{server}, slices.DeleteFunc(slices.Clone(c.record.Servers), func(s string) bool { return s == server })...)
	next.Servers = next.Servers[:min(len(next.Servers), maxServers)]
	if len(c.record.Certificate) == 0 { // it is being linked
		c.record = next
		return
	}
	if err := c.write(next); err != nil {
		c.opts.Log.Warn("the appliance's new address could not be written down; it is used until the next start", "server", server, "error", err)
		c.record = next
		return
	}
	c.opts.Log.Info("the appliance answers at another address than before", "server", server)
}

// search looks for the appliance, one caller at a time and now and then only; nil when
// nothing was found.
func (c *Client) search(ctx context.Context) []string {
	c.mu.Lock()
	authority, err := parseCertificate(c.record.Authority)
	linked := len(c.record.Certificate) > 0
	c.mu.Unlock()
	if err != nil || !linked || !c.searching.TryLock() {
		return nil
	}
	defer c.searching.Unlock()
	if !c.searched.IsZero() && time.Since(c.searched) < searchEvery {
		return nil
	}
	list, err := c.opts.Find(ctx, HashOf(authority))
	c.searched = time.Now()
	if err != nil && !errors.Is(err, registry.ErrUnreachable) && ctx.Err() == nil {
		c.opts.Log.Warn("the appliance could not be looked for", "error", err)
	}
	return list
}
