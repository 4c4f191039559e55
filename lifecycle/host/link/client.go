package link

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Client speaks to the appliance that a host is linked to. Its methods can be called at
// the same time. They end with ErrUnreachable when the appliance answers nowhere,
// ErrUntrusted when somebody else does, and ErrDenied when it does not know the host any
// more.
type Client struct {
	dir  string
	key  *ecdsa.PrivateKey
	opts Settings
	http *http.Client

	renewing  sync.Mutex // held while the certificate is renewed
	searching sync.Mutex // held while the appliance is looked for; protects searched
	searched  time.Time

	mu        sync.Mutex // protects the rest, and the folder's files
	record    record
	forgotten bool
	ahead     time.Duration // of this machine's clock the appliance's
}

func newClient(dir string, key *ecdsa.PrivateKey, s Settings) *Client {
	c := &Client{dir: dir, key: key, opts: s}
	c.http = &http.Client{Transport: c.transport(), CheckRedirect: stay}
	return c
}

// Close lets connections go. The client may be used again.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Work asks for what there is to do; it answers when there is some, or after
// host.PollFor.
func (c *Client) Work(ctx context.Context) (w host.Work, err error) {
	return w, c.call(ctx, host.PollFor+pollMargin, exchange{http.MethodGet, host.PathWork, nil, &w})
}

// Report tells how an operation is. ErrNotFound when nobody waits for it any more.
func (c *Client) Report(ctx context.Context, r host.Result) error {
	return c.call(ctx, answerLimit, exchange{http.MethodPut, host.PathResults, r, nil})
}

// SendInventory tells what the machine is.
func (c *Client) SendInventory(ctx context.Context, i host.Inventory) error {
	return c.call(ctx, answerLimit, exchange{http.MethodPut, host.PathInventory, i, nil})
}

// Renew gets the next certificate, for the same key, and does nothing when it is not yet
// time: when a third of the life of this one has passed, or when a clock was set right.
func (c *Client) Renew(ctx context.Context) error {
	c.renewing.Lock()
	defer c.renewing.Unlock()
	if !c.due() {
		return nil
	}
	request, err := newRequest(c.key)
	if err != nil {
		return err
	}
	var linked host.Linked
	if err := c.call(ctx, answerLimit, exchange{http.MethodPost, host.PathRenew, host.RenewRequest{Request: request}, &linked}); err != nil {
		return err
	}
	return c.keep(linked)
}

// Unlink tells the appliance that the host leaves, and forgets the link. One that does
// not know the host any more has nothing against that; ErrConflict when the host is
// needed still.
func (c *Client) Unlink(ctx context.Context) error {
	err := c.call(ctx, answerLimit, exchange{http.MethodPost, host.PathUnlink, nil, nil})
	if err != nil && !errors.Is(err, registry.ErrDenied) {
		return err
	}
	return c.Forget()
}

// Info is what the host is to its appliance.
type Info struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Site     string    `json:"site"`     // its id
	Server   string    `json:"server"`   // where the appliance has answered last
	Registry string    `json:"registry"` // the appliance's; empty when this host cannot reach it
	Expires  time.Time `json:"expires"`  // when the certificate ends, unless it is renewed
}

// Info tells who the host is.
func (c *Client) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Info{ID: c.record.ID, Name: c.record.Name, Site: c.record.Site, Registry: c.record.Registry, Expires: c.record.Expires}
	if len(c.record.Servers) > 0 {
		i.Server = c.record.Servers[0]
	}
	return i
}
