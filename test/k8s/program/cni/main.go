// Command cni is the laboratory's pod network, one on each node: pods hang on a bridge in
// the range that Kubernetes gave to their node, and the ranges of other nodes are routed
// to their addresses. It reads nodes from the API server, and forwards nothing itself.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	resyncEvery = 5 * time.Second
	confFile    = "/etc/cni/net.d/10-edge.conflist"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self := os.Getenv("NODE_NAME")
	api, err := newAPI()
	if err != nil || self == "" {
		fmt.Fprintf(os.Stderr, "cni: node %q: %v\n", self, err)
		os.Exit(1)
	}
	tick := time.NewTicker(resyncEvery)
	defer tick.Stop()
	last := ""
	for {
		said := "in step"
		if err := sync(ctx, api, self); err != nil {
			said = err.Error()
		}
		if said != last {
			fmt.Println("cni:", said)
			last = said
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func sync(ctx context.Context, api *api, self string) error {
	nodes, err := api.nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		switch {
		case n.Spec.PodCIDR == "":
			if n.Metadata.Name == self {
				return fmt.Errorf("node %s has no range for pods yet", self)
			}
		case n.Metadata.Name == self:
			if err := writeConf(n.Spec.PodCIDR); err != nil {
				return err
			}
		default:
			if err := route(n.Spec.PodCIDR, n.address()); err != nil {
				return fmt.Errorf("route to the pods of %s: %w", n.Metadata.Name, err)
			}
		}
	}
	return nil
}
