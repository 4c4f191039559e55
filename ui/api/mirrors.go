package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// MirrorRuns tells what runs of mirrors do and did: a Mirrorer does, and so does
// the history of a store alone.
type MirrorRuns interface {
	// Runs lists the newest first, those before an id: "" for all.
	Runs(ctx context.Context, before string, limit int) ([]mirroring.Run, error)
	Run(ctx context.Context, id string) (mirroring.Run, error)
}

// Mirrorer runs mirrors.
type Mirrorer interface {
	MirrorRuns
	List(ctx context.Context) (mirroring.Listing, error)
	// Start runs mirrors of some names, or all; the same key starts one run.
	Start(ctx context.Context, mirrors []string, idempotencyKey string) (mirroring.Run, error)
	Cancel(ctx context.Context, id string) (mirroring.Run, error)
}

var (
	_ Mirrorer   = (*mirroring.Mirroring)(nil)
	_ Mirrorer   = (*Mirrors)(nil)
	_ MirrorRuns = (*mirroring.History)(nil)
)

// errNoMirrors says that an appliance was not told of any mirrors.
var errNoMirrors = fmt.Errorf("%w: this appliance keeps no mirrors: it has to be started with 'landfall serve --mirror FILE'", registry.ErrNotFound)

// noMirrors is a Mirrorer without any.
type noMirrors struct{}

func (noMirrors) List(context.Context) (l mirroring.Listing, err error) { return l, errNoMirrors }

func (noMirrors) Runs(context.Context, string, int) ([]mirroring.Run, error) {
	return nil, errNoMirrors
}

func (noMirrors) Run(context.Context, string) (r mirroring.Run, err error) { return r, errNoMirrors }

func (noMirrors) Start(context.Context, []string, string) (r mirroring.Run, err error) {
	return r, errNoMirrors
}

func (noMirrors) Cancel(context.Context, string) (r mirroring.Run, err error) { return r, errNoMirrors }

type mirrorsRequest struct {
	Mirrors []string `json:"mirrors,omitempty" doc:"Their names; all that are copied ahead when empty"`
}

type mirrorsInput struct {
	Keyed
	Body mirrorsRequest
}

func (a *API) mirrorRoutes() {
	m := a.opts.Mirrors
	if m == nil {
		m = noMirrors{}
	}
	add(a, route{method: http.MethodGet, path: "/mirrors", id: "list-mirrors", right: "mirrors.read", summary: "List mirrors, with their next and last runs"},
		func(ctx context.Context, _ *nothing) (*answer[mirroring.Listing], error) { return give(m.List(ctx)) })
	add(a, route{method: http.MethodPost, path: "/mirrors/run", id: "run-mirrors", right: "mirrors.write", status: http.StatusAccepted, summary: "Run mirrors"},
		func(ctx context.Context, in *mirrorsInput) (*answer[mirroring.Run], error) {
			return give(m.Start(ctx, in.Body.Mirrors, in.Key))
		})
	add(a, route{method: http.MethodGet, path: "/mirrors/runs", id: "list-mirror-runs", right: "mirrors.read", summary: "List runs of mirrors, the newest first"},
		func(ctx context.Context, in *historyInput) (*answer[page[mirroring.Run]], error) {
			list, err := m.Runs(ctx, in.Before, in.Limit+1)
			return give(pageOf(list, in.Limit, func(r mirroring.Run) string { return r.ID }), err)
		})
	add(a, route{method: http.MethodGet, path: "/mirrors/runs/{id}", id: "get-mirror-run", right: "mirrors.read", summary: "Read a run with what it changed"},
		func(ctx context.Context, in *JobInput) (*answer[mirroring.Run], error) {
			return give(m.Run(ctx, in.ID))
		})
	add(a, route{method: http.MethodPost, path: "/mirrors/runs/{id}/cancel", id: "cancel-mirror-run", right: "mirrors.write", summary: "End a run; what it brought stays"},
		func(ctx context.Context, in *JobInput) (*answer[mirroring.Run], error) {
			return give(m.Cancel(ctx, in.ID))
		})
}
