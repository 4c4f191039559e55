package api

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// maxClusterDocument bounds a cluster's document, in bytes.
const maxClusterDocument = 1 << 20

// ClusterInput names a cluster.
type ClusterInput struct {
	Name string `path:"name" minLength:"1" maxLength:"63" example:"shop"`
}

type createClusterInput struct {
	Keyed
	Body clusters.CreateRequest
}

type moveRequest struct {
	To   string `json:"to" minLength:"1" maxLength:"512" doc:"The definition, NAME:VERSION"`
	Rate int64  `json:"rate,omitempty" minimum:"0" doc:"Bytes per second that each host may pull at; 0: as fast as it goes"`
}

type moveClusterInput struct {
	ClusterInput
	Keyed
	Body moveRequest
}

type previewClusterInput struct {
	ClusterInput
	To string `query:"to" required:"true" minLength:"1" maxLength:"512" doc:"The definition, NAME:VERSION"`
}

type rollbackRequest struct {
	Snapshot bool `json:"snapshot,omitempty" doc:"Bring the control plane back from the snapshot before the upgrade, where Kubernetes has no other way: what was written since is lost"`
}

type rollbackClusterInput struct {
	ClusterInput
	Keyed
	Body rollbackRequest
}

type deleteClusterInput struct {
	ClusterInput
	Keyed
	Force bool `query:"force" doc:"Let hosts go that are away, as they are"`
}

// kubeconfigAnswer is a file for kubectl.
type kubeconfigAnswer struct {
	Kubeconfig string `json:"kubeconfig" doc:"With the rights of an administrator, for a year"`
}

// withClusters answers with what the site's clusters say, if it has any hosts.
func withClusters[T any](a *API, ask func(*clusters.Clusters) (T, error)) (*answer[T], error) {
	if err := offered(a.opts.Clusters != nil, "manages no hosts: set hosts.listen"); err != nil {
		return nil, err
	}
	return give(ask(a.opts.Clusters))
}

func (a *API) clusterRoutes() {
	add(a, route{method: http.MethodGet, path: "/clusters", id: "list-clusters", right: auth.ClustersRead, summary: "List the clusters of the site's hosts"},
		func(ctx context.Context, _ *nothing) (*answer[[]clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) ([]clusters.Cluster, error) { return c.List(ctx) })
		})
	add(a, route{method: http.MethodPost, path: "/clusters", id: "create-cluster", right: auth.ClustersWrite, status: http.StatusAccepted, body: maxClusterDocument,
		summary: "Form a cluster of hosts from a definition", about: "It goes on in the background: its phase, and the run's steps, say how far it is."},
		func(ctx context.Context, in *createClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				return c.Create(clusters.WithKey(ctx, in.Key), in.Body)
			})
		})
	add(a, route{method: http.MethodPost, path: "/clusters/plan", id: "plan-cluster", right: auth.ClustersWrite, body: maxClusterDocument, summary: "Say what forming a cluster would do"},
		func(ctx context.Context, in *struct{ Body clusters.CreateRequest }) (*answer[*cluster.Plan], error) {
			return withClusters(a, func(c *clusters.Clusters) (*cluster.Plan, error) { return c.Plan(ctx, in.Body) })
		})
	add(a, route{method: http.MethodGet, path: "/clusters/{name}", id: "get-cluster", right: auth.ClustersRead, summary: "Read a cluster, with the steps of its last run"},
		func(ctx context.Context, in *ClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) { return c.Get(ctx, in.Name) })
		})
	add(a, route{method: http.MethodGet, path: "/clusters/{name}/kubeconfig", id: "get-cluster-kubeconfig", right: auth.ClustersAdmin,
		summary: "Make a file with which an administrator speaks to the cluster"},
		func(ctx context.Context, in *ClusterInput) (*answer[kubeconfigAnswer], error) {
			return withClusters(a, func(c *clusters.Clusters) (kubeconfigAnswer, error) {
				content, err := c.Kubeconfig(ctx, in.Name)
				return kubeconfigAnswer{string(content)}, err
			})
		})
	a.clusterMoveRoutes()
	a.clusterChangeRoutes()
	a.clusterBackupRoutes()
}

func (a *API) clusterMoveRoutes() {
	add(a, route{method: http.MethodGet, path: "/clusters/{name}/upgrade", id: "preview-cluster-upgrade", right: auth.ClustersRead, summary: "Say what an upgrade would do, change and need"},
		func(ctx context.Context, in *previewClusterInput) (*answer[*clusters.Preview], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Preview, error) { return c.Preview(ctx, in.Name, in.To) })
		})
	for _, do := range []struct {
		path, id, summary string
		move              func(c *clusters.Clusters, ctx context.Context, in *moveClusterInput) (*clusters.Cluster, error)
	}{
		{"stage", "stage-cluster-upgrade", "Bring all that a definition needs to the cluster's hosts, ahead of an upgrade",
			func(c *clusters.Clusters, ctx context.Context, in *moveClusterInput) (*clusters.Cluster, error) {
				return c.Stage(clusters.WithKey(ctx, in.Key), in.Name, in.Body.To, in.Body.Rate)
			}},
		{"upgrade", "upgrade-cluster", "Bring a cluster to another definition, host by host",
			func(c *clusters.Clusters, ctx context.Context, in *moveClusterInput) (*clusters.Cluster, error) {
				return c.Upgrade(clusters.WithKey(ctx, in.Key), in.Name, in.Body.To, in.Body.Rate)
			}},
	} {
		add(a, route{method: http.MethodPost, path: "/clusters/{name}/" + do.path, id: do.id, right: auth.ClustersWrite, status: http.StatusAccepted, summary: do.summary},
			func(ctx context.Context, in *moveClusterInput) (*answer[*clusters.Cluster], error) {
				return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) { return do.move(c, ctx, in) })
			})
	}
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/rollback", id: "rollback-cluster", right: auth.ClustersWrite, status: http.StatusAccepted, summary: "Bring a cluster back to the definition before"},
		func(ctx context.Context, in *rollbackClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				return c.Rollback(clusters.WithKey(ctx, in.Key), in.Name, in.Body.Snapshot)
			})
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/resume", id: "resume-cluster", right: auth.ClustersWrite, summary: "Let a run go on that was paused or has stopped"},
		func(ctx context.Context, in *ClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) { return c.Resume(ctx, in.Name) })
		})
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/pause", id: "pause-cluster", right: auth.ClustersWrite, summary: "Let a run wait when what it has begun is done"},
		func(ctx context.Context, in *ClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) { return c.Pause(ctx, in.Name) })
		})
	add(a, route{method: http.MethodDelete, path: "/clusters/{name}", id: "delete-cluster", right: auth.ClustersWrite, status: http.StatusAccepted, summary: "Take a cluster apart; its hosts are cleaned, content stays"},
		func(ctx context.Context, in *deleteClusterInput) (*answer[*clusters.Cluster], error) {
			return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
				return c.Delete(clusters.WithKey(ctx, in.Key), in.Name, in.Force)
			})
		})
}
