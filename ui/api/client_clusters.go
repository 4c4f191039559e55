package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func clusterPath(name string, verb ...string) string {
	path := "clusters/" + url.PathEscape(name)
	for _, v := range verb {
		path += "/" + v
	}
	return path
}

// changeCluster asks for something to be done to a cluster.
func (c *Client) changeCluster(ctx context.Context, method, path string, body any) (one *clusters.Cluster, err error) {
	return one, c.call(ctx, method, path, body, &one)
}

// Clusters lists the clusters of an appliance's hosts, without the steps of their runs.
func (c *Client) Clusters(ctx context.Context) (list []clusters.Cluster, err error) {
	return list, c.call(ctx, http.MethodGet, "clusters", nil, &list)
}

// Cluster reads a cluster, with the steps of its last run. ErrNotFound without it.
func (c *Client) Cluster(ctx context.Context, name string) (one *clusters.Cluster, err error) {
	return one, c.call(ctx, http.MethodGet, clusterPath(name), nil, &one)
}

// CreateCluster begins to form a cluster.
func (c *Client) CreateCluster(ctx context.Context, r clusters.CreateRequest) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, "clusters", r)
}

// PlanCluster says what forming a cluster would do.
func (c *Client) PlanCluster(ctx context.Context, r clusters.CreateRequest) (p *cluster.Plan, err error) {
	return p, c.call(ctx, http.MethodPost, "clusters/plan", r, &p)
}

// PreviewUpgrade says what an upgrade would do, change and need.
func (c *Client) PreviewUpgrade(ctx context.Context, name, to string) (p *clusters.Preview, err error) {
	return p, c.call(ctx, http.MethodGet, clusterPath(name, "upgrade")+"?to="+url.QueryEscape(to), nil, &p)
}

// StageCluster begins to bring all that a definition needs to a cluster's hosts, at so
// many bytes per second for each, 0 for any.
func (c *Client) StageCluster(ctx context.Context, name, to string, rate int64) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "stage"), moveRequest{to, rate})
}

// UpgradeCluster begins to bring a cluster to another definition.
func (c *Client) UpgradeCluster(ctx context.Context, name, to string, rate int64) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "upgrade"), moveRequest{to, rate})
}

// RollbackCluster begins to bring a cluster back to the definition before.
func (c *Client) RollbackCluster(ctx context.Context, name string, snapshot bool) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "rollback"), rollbackRequest{snapshot})
}

// ResumeCluster lets a run go on that was paused or has stopped.
func (c *Client) ResumeCluster(ctx context.Context, name string) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "resume"), nil)
}

// PauseCluster lets a run wait when what it has begun is done.
func (c *Client) PauseCluster(ctx context.Context, name string) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "pause"), nil)
}

// DeleteCluster begins to take a cluster apart.
func (c *Client) DeleteCluster(ctx context.Context, name string, force bool) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodDelete, clusterPath(name)+"?force="+strconv.FormatBool(force), nil)
}

// Kubeconfig makes a file with which an administrator speaks to a cluster.
func (c *Client) Kubeconfig(ctx context.Context, name string) (string, error) {
	var a kubeconfigAnswer
	err := c.call(ctx, http.MethodGet, clusterPath(name, "kubeconfig"), nil, &a)
	return a.Kubeconfig, err
}
