package fleet

import (
	"context"
	"sync/atomic"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
)

// Calls are how many requests agents have sent to the appliance.
type Calls struct{ Work, Reports, Inventories, Failed atomic.Int64 }

// counted counts what an agent asks.
type counted struct {
	*link.Client
	calls *Calls
}

func (c counted) note(n *atomic.Int64, err error) {
	if n.Add(1); err != nil {
		c.calls.Failed.Add(1)
	}
}

// Work implements agent.Client.
func (c counted) Work(ctx context.Context) (host.Work, error) {
	w, err := c.Client.Work(ctx)
	c.note(&c.calls.Work, err)
	return w, err
}

// Report implements agent.Client.
func (c counted) Report(ctx context.Context, r host.Result) error {
	err := c.Client.Report(ctx, r)
	c.note(&c.calls.Reports, err)
	return err
}

// SendInventory implements agent.Client.
func (c counted) SendInventory(ctx context.Context, i host.Inventory) error {
	err := c.Client.SendInventory(ctx, i)
	c.note(&c.calls.Inventories, err)
	return err
}
