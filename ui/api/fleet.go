package api

import (
	"context"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/hosts"
)

// HostInput names a linked host.
type HostInput struct {
	Name string `path:"name" minLength:"1" maxLength:"63" doc:"Its name or its id" example:"edge1"`
}

type unlinkHostInput struct {
	HostInput
	Force bool `query:"force" doc:"Also while it belongs to a cluster"`
}

type renameHostInput struct {
	HostInput
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"63" doc:"The new name"`
	}
}

type hostTokenRequest struct {
	TTL string `json:"ttl,omitempty" maxLength:"20" doc:"For how long it is valid, 1m to 24h; 15m when empty" example:"15m"`
}

type hostTokenInput struct{ Body hostTokenRequest }

type hostTokenID struct {
	ID string `path:"id" minLength:"1" maxLength:"16"`
}

// withHosts answers with what the site's hosts say, if it manages any.
func withHosts[T any](a *API, ask func(*hosts.Hosts) (T, error)) (*answer[T], error) {
	if err := offered(a.opts.Hosts != nil, "manages no hosts: set hosts.listen"); err != nil {
		return nil, err
	}
	return give(ask(a.opts.Hosts))
}

func (a *API) fleetRoutes() {
	add(a, route{method: http.MethodGet, path: "/fleet", id: "list-linked-hosts", right: auth.HostsRead, summary: "List the hosts that are linked"},
		func(ctx context.Context, _ *nothing) (*answer[[]host.Host], error) {
			return withHosts(a, func(h *hosts.Hosts) ([]host.Host, error) { return h.List(ctx) })
		})
	add(a, route{method: http.MethodGet, path: "/fleet/{name}", id: "get-linked-host", right: auth.HostsRead, summary: "Read a linked host, with its inventory"},
		func(ctx context.Context, in *HostInput) (*answer[host.Host], error) {
			return withHosts(a, func(h *hosts.Hosts) (host.Host, error) { return h.Get(ctx, in.Name) })
		})
	add(a, route{method: http.MethodPatch, path: "/fleet/{name}", id: "rename-linked-host", right: auth.HostsWrite, summary: "Give a host another name"},
		func(ctx context.Context, in *renameHostInput) (*answer[host.Host], error) {
			return withHosts(a, func(h *hosts.Hosts) (host.Host, error) {
				if err := h.Rename(ctx, in.Name, in.Body.Name); err != nil {
					return host.Host{}, err
				}
				return h.Get(ctx, in.Body.Name)
			})
		})
	add(a, route{method: http.MethodDelete, path: "/fleet/{name}", id: "unlink-host", right: auth.HostsWrite, status: http.StatusNoContent,
		summary: "Take a host out; its agent cleans the machine"},
		func(ctx context.Context, in *unlinkHostInput) (*nothing, error) {
			_, err := withHosts(a, func(h *hosts.Hosts) (nothing, error) { return nothing{}, h.Unlink(ctx, in.Name, in.Force) })
			return nil, err
		})
	a.hostTokenRoutes()
}

func (a *API) hostTokenRoutes() {
	add(a, route{method: http.MethodGet, path: "/fleet-tokens", id: "list-host-tokens", right: auth.HostsWrite, summary: "List open tokens with which hosts can be linked, without their secrets"},
		func(ctx context.Context, _ *nothing) (*answer[[]hosts.Token], error) {
			return withHosts(a, func(h *hosts.Hosts) ([]hosts.Token, error) { return h.Tokens(ctx) })
		})
	add(a, route{method: http.MethodPost, path: "/fleet-tokens", id: "create-host-token", right: auth.HostsWrite, status: http.StatusCreated,
		summary: "Make a token with which one host can be linked, once", about: "It is told only in this answer."},
		func(ctx context.Context, in *hostTokenInput) (*answer[*hosts.MadeToken], error) {
			return withHosts(a, func(h *hosts.Hosts) (*hosts.MadeToken, error) {
				life := time.Duration(0)
				if in.Body.TTL != "" {
					var err error
					if life, err = units.ParseAge(in.Body.TTL); err != nil {
						return nil, &FieldError{Field: "body.ttl", Err: err}
					}
				}
				return h.MakeToken(ctx, life)
			})
		})
	add(a, route{method: http.MethodDelete, path: "/fleet-tokens/{id}", id: "revoke-host-token", right: auth.HostsWrite, status: http.StatusNoContent, summary: "Make an open token good for nothing"},
		func(ctx context.Context, in *hostTokenID) (*nothing, error) {
			_, err := withHosts(a, func(h *hosts.Hosts) (nothing, error) { return nothing{}, h.RevokeToken(ctx, in.ID) })
			return nil, err
		})
}
