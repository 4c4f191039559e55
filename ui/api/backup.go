package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// Holder is a site that can be told that an import or a backup is under way.
type Holder interface {
	// Hold keeps content from being collected until it is released, however long
	// that takes.
	Hold(ctx context.Context, kind store.HoldKind) (release func(), err error)
}

func (a *API) backupRoutes() {
	s := a.opts.Site
	add(a, route{method: http.MethodGet, path: "/backup/database", id: "back-up-database", right: "system.write", media: typeBytes, summary: "Read the database as it is now"},
		func(ctx context.Context, _ *nothing) (*huma.StreamResponse, error) {
			return sendBytes(a, ctx, s.Snapshot)
		})
	add(a, route{method: http.MethodGet, path: "/backup/blobs/{digest}", id: "back-up-blob", right: "system.write", media: typeBytes, summary: "Read a blob whichever repository has it"},
		func(ctx context.Context, in *digestInput) (*huma.StreamResponse, error) {
			d, err := registry.ParseDigest(in.Digest)
			if err != nil {
				return nil, err
			}
			return sendBytes(a, ctx, func(ctx context.Context) (io.ReadCloser, error) { return s.BlobBytes(ctx, d) })
		})
	add(a, route{method: http.MethodGet, path: "/content/hold", id: "hold-content", right: "content.write",
		summary: "Keep content from being collected for as long as the request lasts"}, a.hold)
	if t, ok := s.(teller); ok {
		add(a, route{method: http.MethodGet, path: "/receipt", id: "get-receipt", right: "content.read", whole: true, media: typeBytes, summary: "Read the site's receipt"},
			func(ctx context.Context, _ *nothing) (*huma.StreamResponse, error) {
				return sendBytes(a, ctx, func(ctx context.Context) (io.ReadCloser, error) {
					var b bytes.Buffer
					return io.NopCloser(&b), WriteReceipt(ctx, t, &b)
				})
			})
	}
}

type holdInput struct {
	For string `query:"for" enum:"import,backup" doc:"What is under way"`
}

// hold lasts as long as the request, or until the appliance ends.
func (a *API) hold(ctx context.Context, in *holdInput) (*huma.StreamResponse, error) {
	release, err := a.opts.Site.Hold(ctx, store.HoldKind(in.For))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer release()
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeJSON)
		_, _ = io.WriteString(w, "{}\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-c.Context().Done():
		case <-a.opts.Ending:
		}
	}}, nil
}

// sendBytes answers with bytes. What breaks off in the middle cuts the connection;
// what is all there but damaged is called so in the trailer.
func sendBytes(a *API, ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (*huma.StreamResponse, error) { //nolint:revive // the context is not the API's
	content, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer content.Close()
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeBytes)
		w.Header().Set("Trailer", errorTrailer)
		_, err = io.Copy(w, content)
		if errors.Is(err, registry.ErrDigest) {
			text, _ := json.Marshal(a.problem(ctx, err))
			w.Header().Set(errorTrailer, string(text))
		} else if err != nil {
			panic(http.ErrAbortHandler)
		}
	}}, nil
}
