package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
)

// Calls are how many requests agents have sent to the appliance.
type Calls struct{ Work, Reports, Inventories, Failed atomic.Int64 }

// counted counts what an agent asks.
type counted struct {
	*link.Client
	calls *Calls
	log   *slog.Logger
}

func (c counted) note(ctx context.Context, n *atomic.Int64, err error) {
	if n.Add(1); err != nil && ctx.Err() == nil && !errors.Is(err, registry.ErrNotFound) { // that an end was taken before is none
		c.calls.Failed.Add(1)
		c.log.Warn("an agent was not answered as it wants", "error", err)
	}
}

// Work implements agent.Client.
func (c counted) Work(ctx context.Context) (host.Work, error) {
	w, err := c.Client.Work(ctx)
	c.note(ctx, &c.calls.Work, err)
	return w, err
}

// Report implements agent.Client.
func (c counted) Report(ctx context.Context, r host.Result) error {
	err := c.Client.Report(ctx, r)
	c.note(ctx, &c.calls.Reports, err)
	return err
}

// SendInventory implements agent.Client.
func (c counted) SendInventory(ctx context.Context, i host.Inventory) error {
	err := c.Client.SendInventory(ctx, i)
	c.note(ctx, &c.calls.Inventories, err)
	return err
}
