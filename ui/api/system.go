package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/host"
)

// health is whether the appliance answers.
type health struct {
	Status string `json:"status" enum:"ok"`
}

type versionAnswer struct {
	Version string `json:"version"`
	API     string `json:"api" doc:"The version of this interface"`
}

func (a *API) systemRoutes() {
	s := a.opts.Site
	add(a, route{method: http.MethodGet, path: "/system/health", id: "get-health", right: Anyone, summary: "Say whether the appliance answers"},
		func(ctx context.Context, _ *nothing) (*answer[health], error) {
			_, err := s.Stats(ctx)
			return give(health{"ok"}, err)
		})
	add(a, route{method: http.MethodGet, path: "/system/version", id: "get-version", right: "system.read", summary: "Say which version it is"},
		func(context.Context, *nothing) (*answer[versionAnswer], error) {
			return give(versionAnswer{a.opts.Version, version}, nil)
		})
	add(a, route{method: http.MethodGet, path: "/system/host", id: "get-host", right: "system.read", summary: "Say how the machine is: network, time, storage"},
		func(context.Context, *nothing) (*answer[host.Report], error) {
			return give(host.Read(a.opts.Host), nil)
		})
	addPart(a, "network", "Say how the machine is connected", func(r host.Report) host.Network { return r.Network })
	addPart(a, "time", "Say what time it is here, and how certain that is", func(r host.Report) host.Clock { return r.Clock })
	addPart(a, "storage", "Say what the file systems have room for", func(r host.Report) []host.FileSystem { return r.Storage })
	add(a, route{method: http.MethodGet, path: "/diagnostics", id: "get-diagnostics", right: "diagnostics.read", media: typeGzip, summary: "Read the diagnostics bundle, a tar.gz"}, a.diagnose)
	add(a, route{method: http.MethodGet, path: "/doctor", id: "examine", right: "system.read", summary: "Examine the store"},
		func(ctx context.Context, _ *nothing) (*answer[[]store.Finding], error) { return give(s.Examine(ctx)) })
	add(a, route{method: http.MethodGet, path: "/stats", id: "get-stats", right: "system.read", summary: "Count what the store has"},
		func(ctx context.Context, _ *nothing) (*answer[store.Stats], error) { return give(s.Stats(ctx)) })
}

// addPart registers one part of what is told of the machine.
func addPart[T any](a *API, name, summary string, part func(host.Report) T) {
	add(a, route{method: http.MethodGet, path: "/system/" + name, id: "get-" + name, right: auth.SystemRead, summary: summary},
		func(context.Context, *nothing) (*answer[T], error) { return give(part(host.Read(a.opts.Host)), nil) })
}

func (a *API) diagnose(context.Context, *nothing) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeGzip)
		w.Header().Set("Content-Disposition", `attachment; filename="landfall-diagnostics.tar.gz"`)
		if err := diagnostics.Write(c.Context(), w, a.opts.Diagnostics); err != nil {
			panic(http.ErrAbortHandler)
		}
	}}, nil
}
