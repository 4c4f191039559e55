package clusters

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
)

// Renew begins to make the certificates of a cluster's hosts new.
func (c *Clusters) Renew(ctx context.Context, name string) (*Cluster, error) {
	switch again, err := c.again(ctx, name, cluster.Renew); {
	case err != nil:
		return nil, err
	case again:
		return c.Get(ctx, name)
	}
	r, err := c.running(ctx, name)
	if err != nil {
		return nil, err
	}
	in, err := c.input(ctx, r, r.running, "")
	if err != nil {
		return nil, err
	}
	p, err := plan.Renew(*in)
	if err != nil {
		return nil, err
	}
	return c.do(ctx, p)
}

// Expiry is when a certificate ends.
type Expiry struct {
	Host        string    `json:"host"`
	Certificate string    `json:"certificate" example:"apiserver"`
	Ends        time.Time `json:"ends"`
}

// soonest is the certificate of a cluster's hosts that ends first, as their agents told
// it; nil when none is known.
func (c *Clusters) soonest(ctx context.Context, name string) (least *Expiry) {
	hosts, _ := c.opts.Hosts.List(ctx) // what is not known is not shown
	for _, h := range hosts {
		if h.Cluster != name {
			continue
		}
		for _, e := range h.Inventory.Certificates {
			if least == nil || e.Ends.Before(least.Ends) {
				least = &Expiry{h.Name, e.Name, e.Ends}
			}
		}
	}
	return least
}
