package api

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// ScaleCluster begins to give a cluster other hosts or pools.
func (c *Client) ScaleCluster(ctx context.Context, name string, r clusters.ScaleRequest) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "scale"), r)
}

// PlanScale says what scaling a cluster would do.
func (c *Client) PlanScale(ctx context.Context, name string, r clusters.ScaleRequest) (p *cluster.Plan, err error) {
	return p, c.call(ctx, http.MethodPost, clusterPath(name, "scale", "plan"), r, &p)
}
