package api

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/landfall-dev/landfall/registry/store"
)

// Holder is a site that can be told that an import or a backup is under way.
type Holder interface {
	// Hold keeps content from being collected until it is released, however long
	// that takes.
	Hold(ctx context.Context, kind store.HoldKind) (release func(), err error)
}

// hold lasts as long as the request, or until the appliance ends.
func hold(s Holder, ending <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		release, err := s.Hold(r.Context(), store.HoldKind(r.URL.Query().Get("for")))
		if err != nil {
			refuse(w, err)
			return
		}
		defer release()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-ending:
		}
	}
}

// Hold tells an appliance what begins; release tells that it ended.
func (c *Client) Hold(ctx context.Context, kind store.HoldKind) (release func(), err error) {
	answer, err := c.send(ctx, http.MethodGet, "content/hold?for="+url.QueryEscape(string(kind)), nil, typeJSON)
	if err != nil {
		return nil, err
	}
	return func() { answer.Body.Close() }, nil
}
