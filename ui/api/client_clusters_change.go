package api

import (
	"context"
	"io"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
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

// RenewCertificates begins to make the certificates of a cluster's hosts new.
func (c *Client) RenewCertificates(ctx context.Context, name string) (*clusters.Cluster, error) {
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "renew-certificates"), nil)
}

// Drift compares a cluster and its hosts with the definition that it runs.
func (c *Client) Drift(ctx context.Context, name string) (d *clusters.Drift, err error) {
	return d, c.call(ctx, http.MethodGet, clusterPath(name, "drift"), nil, &d)
}

// PreviewVariables says what other values of a cluster's variables would change. Values
// may be secrets: they are not sent where others can read them on the way.
func (c *Client) PreviewVariables(ctx context.Context, name string, p sitevalues.Patch) (preview *clusters.SetPreview, err error) {
	if c.exposed != nil {
		return nil, c.exposed
	}
	body, err := patchBody(p)
	if err != nil {
		return nil, err
	}
	return preview, c.call(ctx, http.MethodPost, clusterPath(name, "variables", "preview"), body, &preview)
}

// SetVariables keeps other values of a cluster's variables, and begins to apply what
// they change.
func (c *Client) SetVariables(ctx context.Context, name string, p sitevalues.Patch) (*clusters.Cluster, error) {
	if c.exposed != nil {
		return nil, c.exposed
	}
	body, err := patchBody(p)
	if err != nil {
		return nil, err
	}
	return c.changeCluster(ctx, http.MethodPost, clusterPath(name, "variables"), body)
}

// BackUpCluster reads a backup of a cluster, encrypted with a key, without one with the
// site's own. An answer that breaks off is an error of what is read.
func (c *Client) BackUpCluster(ctx context.Context, name string, key []byte) (io.ReadCloser, error) {
	if key != nil && c.exposed != nil {
		return nil, c.exposed
	}
	answer, err := c.send(ctx, http.MethodPost, clusterPath(name, "backup"), backupRequest{key}, typeBytes)
	if err != nil {
		return nil, err
	}
	return &content{ctx, c, answer}, nil
}

// RestoreCluster begins to form a cluster again from an upload.
func (c *Client) RestoreCluster(ctx context.Context, upload string, r clusters.RestoreRequest) (*clusters.Cluster, error) {
	if r.Key != nil && c.exposed != nil {
		return nil, c.exposed
	}
	return c.changeCluster(ctx, http.MethodPost, "clusters/restore", restoreRequest{r, upload})
}
