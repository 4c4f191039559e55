package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

type nodeConfigInput struct {
	Kind      nodeconfig.Kind `path:"kind" enum:"containerd,k3s,rke2,docker,podman" doc:"What the hosts run"`
	Registry  string          `query:"registry" maxLength:"512" doc:"The site's address as hosts reach it; that of this request when empty"`
	Upstreams []string        `query:"upstream" maxItems:"100" doc:"Hosts in original names, like quay.io; the well-known ones when empty"`

	address string
}

// Resolve learns at which address the appliance was reached.
func (in *nodeConfigInput) Resolve(ctx huma.Context) []error {
	scheme := "http://"
	if ctx.TLS() != nil {
		scheme = "https://"
	}
	in.address = scheme + ctx.Host()
	return nil
}

// nodeFile is one file that goes to hosts.
type nodeFile struct {
	Path    string `json:"path" doc:"Where it goes on a host"`
	Mode    string `json:"mode" doc:"Its permissions, octal"`
	Content string `json:"content"`
}

type nodeConfig struct {
	Folder string     `json:"folder" doc:"Where the files are on a host"`
	Files  []nodeFile `json:"files"`
}

func (a *API) hostRoutes() {
	add(a, route{method: http.MethodGet, path: "/hosts/node-config/{kind}", id: "get-node-config", right: auth.HostsRead,
		summary: "Make what hosts need to pull from here by original names"}, a.nodeConfig)
}

func (a *API) nodeConfig(_ context.Context, in *nodeConfigInput) (*answer[nodeConfig], error) {
	opts := nodeconfig.Options{Registry: cmp.Or(in.Registry, in.address), Upstreams: in.Upstreams}
	if strings.HasPrefix(opts.Registry, "https://") && a.opts.Certs != nil && a.opts.Certs.Status().Source == "own" {
		opts.CA = a.opts.Certs.CAPEM()
	}
	files, err := nodeconfig.Files(in.Kind, opts)
	if field := (*nodeconfig.FieldError)(nil); errors.As(err, &field) {
		return nil, &FieldError{"query." + field.Field, fmt.Errorf("%w: %w", registry.ErrInvalid, err)}
	}
	if err != nil {
		return nil, err
	}
	c := nodeConfig{Folder: nodeconfig.Folder(in.Kind), Files: []nodeFile{}}
	for _, f := range files {
		c.Files = append(c.Files, nodeFile{path.Join(c.Folder, f.Path), fmt.Sprintf("%04o", f.Mode.Perm()), string(f.Content)})
	}
	return give(c, nil)
}
