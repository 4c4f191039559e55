package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/chores"
)

type digestInput struct {
	Digest string `path:"digest" doc:"A digest, like sha256:…"`
}

func (a *API) upkeepRoutes() {
	s := a.opts.Site
	addJob(a, route{path: "/content/scrub", id: "scrub", right: "content.write", summary: "Prove every byte of the store"}, chores.Scrub, chores.ScrubArgs{})
	addJob(a, route{path: "/content/collect", id: "collect", right: "content.delete", summary: "Take out what nothing keeps"}, chores.Collect, chores.CollectArgs{})
	add(a, route{method: http.MethodPost, path: "/content/collect/preview", id: "preview-collect", right: "content.read", whole: true, media: typeStream,
		summary: "Say what a collection would take out, and why the rest stays"}, a.previewCollect)
	add(a, route{method: http.MethodPost, path: "/content/undo", id: "undo-collect", right: "content.write", summary: "Bring back what is in the trash"},
		func(ctx context.Context, _ *nothing) (*answer[store.Restored], error) { return give(s.Undo(ctx)) })
	add(a, route{method: http.MethodGet, path: "/content/why/{digest}", id: "explain-content", right: "content.read", whole: true, summary: "Say why content is kept"},
		func(ctx context.Context, in *digestInput) (*answer[*store.Explanation], error) {
			d, err := registry.ParseDigest(in.Digest)
			if err != nil {
				return nil, err
			}
			return give(s.Why(ctx, d))
		})
	add(a, route{method: http.MethodPost, path: "/content/retain", id: "apply-policy", right: "content.delete", summary: "Apply the retention policy"},
		func(ctx context.Context, in *struct{ Body retainRequest }) (*answer[*store.Retained], error) {
			return give(s.Retain(ctx, store.RetainOptions{DryRun: in.Body.DryRun, Policy: in.Body.policy()}))
		})
	a.pinRoutes()
	a.policyRoutes()
}

// previewCollect streams what would be kept, then what would go.
func (a *API) previewCollect(context.Context, *nothing) (*huma.StreamResponse, error) {
	return stream(a, func(ctx context.Context, tell func(store.Kept)) (*store.Collected, error) {
		return a.opts.Site.Collect(ctx, store.CollectOptions{DryRun: true, Kept: tell})
	}), nil
}

// event is one line of a stream.
type event[E, R any] struct {
	Event  *E       `json:"event,omitempty"`
	Result *R       `json:"result,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// stream answers with JSON objects, one a line: events while a function runs,
// then one result or one error. It ends with the request.
func stream[E, R any](a *API, run func(ctx context.Context, tell func(E)) (*R, error)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeStream)
		out, flush := json.NewEncoder(w), http.NewResponseController(w)
		_ = flush.Flush() // the client knows that it runs
		result, err := run(c.Context(), func(e E) {
			_ = out.Encode(event[E, R]{Event: &e}) // a client that left ends the request's context
			_ = flush.Flush()
		})
		last := event[E, R]{Result: result}
		if err != nil {
			last = event[E, R]{Error: a.problem(c.Context(), err)}
		}
		_ = out.Encode(last)
	}}
}

type pinRequest struct {
	Repository string `json:"repository" minLength:"1"`
	Tag        string `json:"tag,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Owner      string `json:"owner" doc:"Who pins it"`
	Reason     string `json:"reason,omitempty" doc:"Why; needed to pin"`
}

func (p pinRequest) ref() (ref registry.Ref, err error) {
	ref = registry.Ref{Repository: p.Repository, Tag: p.Tag}
	if p.Digest != "" {
		ref.Digest, err = registry.ParseDigest(p.Digest)
	}
	return ref, err
}

func (a *API) pinRoutes() {
	s := a.opts.Site
	add(a, route{method: http.MethodGet, path: "/content/pins", id: "list-pins", right: "content.read", whole: true, summary: "List pins"},
		func(ctx context.Context, _ *nothing) (*answer[[]store.Pin], error) { return give(s.Pins(ctx)) })
	add(a, route{method: http.MethodPost, path: "/content/pins", id: "pin", right: "content.write", summary: "Keep content whatever happens to its names"},
		func(ctx context.Context, in *struct{ Body pinRequest }) (*answer[store.Pin], error) {
			ref, err := in.Body.ref()
			if err != nil {
				return nil, err
			}
			return give(s.Pin(ctx, ref, in.Body.Owner, in.Body.Reason))
		})
	add(a, route{method: http.MethodPost, path: "/content/unpin", id: "unpin", right: "content.write", summary: "Take a pin away"},
		func(ctx context.Context, in *struct{ Body pinRequest }) (*nothing, error) {
			ref, err := in.Body.ref()
			if err != nil {
				return nil, err
			}
			return &nothing{}, s.Unpin(ctx, ref, in.Body.Owner)
		})
}
