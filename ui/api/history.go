package api

import (
	"context"
	"net/http"

	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/history"
)

type seriesInput struct {
	Span history.Span `query:"span" enum:"1h,1d,7d,30d,365d" default:"1d" doc:"How far back"`
}

func (a *API) historyRoutes() {
	add(a, route{method: http.MethodGet, path: "/system/history", id: "get-history", right: auth.SystemRead, summary: "Say how traffic and storage were over time"},
		func(ctx context.Context, in *seriesInput) (*answer[history.Series], error) {
			if err := offered(a.opts.History != nil, "keeps no history"); err != nil {
				return nil, err
			}
			return give(a.opts.History.Series(ctx, in.Span))
		})
}
