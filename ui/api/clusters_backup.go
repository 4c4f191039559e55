package api

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/upload"
)

type backupRequest struct {
	Key []byte `json:"key,omitempty" doc:"32 bytes that it is encrypted with; without it one of the site's own"`
}

type backupClusterInput struct {
	ClusterInput
	Body backupRequest
}

type restoreRequest struct {
	clusters.RestoreRequest
	Upload string `json:"upload" minLength:"1" maxLength:"128" doc:"The id of an upload with the backup"`
}

type restoreClusterInput struct {
	Keyed
	Body restoreRequest
}

func (a *API) clusterBackupRoutes() {
	add(a, route{method: http.MethodPost, path: "/clusters/{name}/backup", id: "back-up-cluster", right: auth.ClustersAdmin, media: typeBytes,
		summary: "Save all that a cluster can be formed again from, in one encrypted file", about: "An answer that breaks off is no backup."}, a.backupCluster)
	add(a, route{method: http.MethodPost, path: "/clusters/restore", id: "restore-cluster", right: auth.ClustersAdmin, status: http.StatusAccepted, body: maxClusterDocument,
		summary: "Form a cluster again on fresh hosts from a backup that was uploaded"}, a.restoreCluster)
}

func (a *API) backupCluster(ctx context.Context, in *backupClusterInput) (*huma.StreamResponse, error) {
	if err := offered(a.opts.Clusters != nil, "manages no hosts: set hosts.listen"); err != nil {
		return nil, err
	}
	b, err := a.opts.Clusters.Backup(ctx, in.Name, in.Body.Key)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeBytes)
		if err := b.Write(c.Context(), w); err != nil {
			a.opts.Log.Warn("a backup of a cluster broke off", "cluster", in.Name, "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (a *API) restoreCluster(ctx context.Context, in *restoreClusterInput) (*answer[*clusters.Cluster], error) {
	if err := offered(a.opts.Uploads != nil, "takes no uploads"); err != nil {
		return nil, err
	}
	if err := a.mayUse(ctx, landing.Source{Upload: in.Body.Upload}); err != nil {
		return nil, err
	}
	return withClusters(a, func(c *clusters.Clusters) (*clusters.Cluster, error) {
		file, err := a.opts.Uploads.Whole(ctx, in.Body.Upload)
		if err != nil {
			return nil, err
		}
		if file.Kind != upload.ClusterBackup {
			return nil, fmt.Errorf("upload %s: %w: it is no backup of a cluster", file.ID, registry.ErrInvalid)
		}
		f, err := os.Open(file.Path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		one, err := c.Restore(clusters.WithKey(ctx, in.Key), in.Body.RestoreRequest, f)
		if err != nil {
			return nil, err
		}
		return one, a.opts.Uploads.Consume(ctx, file.ID)
	})
}
