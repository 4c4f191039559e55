package api

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/clusters"
)

type namedClusterInput struct {
	ClusterInput
	Keyed
}

type scaleClusterInput struct {
	ClusterInput
	Keyed
	Body clusters.ScaleRequest
}

type setClusterInput struct {
	ClusterInput
	Keyed
	Body valuesPatch
}

// clusterChangeRoutes change a cluster that runs.
func (a *API) clusterChangeRoutes() {
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/scale", id: "scale-cluster", right: auth.ClustersWrite, status: http.StatusAccepted, body: maxClusterDocument,
		summary: "Give a cluster other hosts or pools", about: "Hosts join first, then others leave and are cleaned. It goes on in the background."},
		func(ctx context.Context, in *scaleClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				return c.Scale(clusters.WithKey(ctx, in.Key), in.Name, in.Body)
			})
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/scale/plan", id: "plan-cluster-scale", right: auth.ClustersWrite, body: maxClusterDocument,
		summary: "Say what scaling a cluster would do"},
		func(ctx context.Context, in *struct {
			ClusterInput
			Body clusters.ScaleRequest
		}) (*answer[*cluster.Plan], error) {
			return withClusters(a, func(c *clusters.Clusters) (*cluster.Plan, error) { return c.PlanScale(ctx, in.Name, in.Body) })
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/variables/preview", id: "preview-cluster-variables", right: auth.ClustersWrite,
		summary: "Say what other values of a cluster's variables would change", about: "Values of Secrets, and sensitive ones, are hidden."},
		func(ctx context.Context, in *setClusterInput) (*answer[*clusters.SetPreview], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.SetPreview, error) {
				patch := sitevalues.Patch{Set: map[string]any{}, Unset: in.Body.Unset}
				if err := in.Body.decode(patch.Set); err != nil {
					return nil, err
				}
				p, err := c.PreviewSet(ctx, in.Name, patch)
				return p, ruleProblem(err)
			})
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/variables", id: "set-cluster-variables", right: auth.ClustersWrite, status: http.StatusAccepted,
		summary: "Change values of a cluster's variables, and apply what that changes", about: "All is changed, or, when one value breaks a rule of the definition, nothing."},
		func(ctx context.Context, in *setClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				patch := sitevalues.Patch{Set: map[string]any{}, Unset: in.Body.Unset}
				if err := in.Body.decode(patch.Set); err != nil {
					return nil, err
				}
				one, err := c.Set(clusters.WithKey(ctx, in.Key), in.Name, patch)
				return one, ruleProblem(err)
			})
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/renew-certificates", id: "renew-cluster-certificates", right: auth.ClustersWrite, status: http.StatusAccepted,
		summary: "Make the certificates of a cluster's hosts new, one host after another"},
		func(ctx context.Context, in *namedClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				return c.Renew(clusters.WithKey(ctx, in.Key), in.Name)
			})
		})
	add(a, route{method: http.MethodGet, path: "/clusters/{name}/drift", id: "get-cluster-drift", right: auth.ClustersRead, summary: "Compare a cluster and its hosts with the definition that it runs"},
		func(ctx context.Context, in *ClusterInput) (*answer[*clusters.Drift], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Drift, error) { return c.Drift(ctx, in.Name) })
		})
}
