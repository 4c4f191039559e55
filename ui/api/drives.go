package api

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/ui/auth"
)

type driveInput struct {
	ID string `path:"id" maxLength:"256" doc:"The drive's id"`
}

func (a *API) driveRoutes() {
	watched := func() error { return offered(a.opts.Drives != nil, "watches no drives") }
	add(a, route{method: http.MethodGet, path: "/bundles/drives", id: "list-drives", right: auth.BundlesRead, summary: "List drives, and the bundles on them"},
		func(context.Context, *nothing) (*answer[[]media.Drive], error) {
			if err := watched(); err != nil {
				return nil, err
			}
			return give(append([]media.Drive{}, a.opts.Drives.List()...), nil)
		})
	add(a, route{method: http.MethodPost, path: "/bundles/drives/rescan", id: "rescan-drives", right: auth.BundlesWrite, summary: "Look for drives, and through all that are there"},
		func(context.Context, *nothing) (*nothing, error) {
			if err := watched(); err != nil {
				return nil, err
			}
			a.opts.Drives.Rescan()
			return &nothing{}, nil
		})
	add(a, route{method: http.MethodPost, path: "/bundles/drives/{id}/eject", id: "eject-drive", right: auth.BundlesWrite, summary: "Let go of a drive, so that it can be pulled out"},
		func(ctx context.Context, in *driveInput) (*nothing, error) {
			if err := watched(); err != nil {
				return nil, err
			}
			return &nothing{}, a.opts.Drives.Eject(ctx, in.ID)
		})
}
