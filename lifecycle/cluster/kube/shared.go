package kube

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// shared is the last look at the whole cluster. Many hosts that are changed at the same
// time wait for the cluster to be well, each by itself; all nodes and pods are read once
// for those that wait, and in memory once.
type shared struct {
	turn     chan struct{} // holds one: who is in it looks, and protects the rest
	began    time.Time
	findings []host.Finding
}

func newShared() *shared { return &shared{turn: make(chan struct{}, 1)} }

// lookShared is what a look that begins after this call finds.
func (c *Client) lookShared(ctx context.Context) ([]host.Finding, error) {
	asked := time.Now()
	select {
	case c.shared.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-c.shared.turn }()
	if c.shared.began.After(asked) {
		return c.shared.findings, nil
	}
	began := time.Now()
	findings, err := c.look(ctx)
	if err == nil {
		c.shared.began, c.shared.findings = began, findings
	}
	return findings, err
}
