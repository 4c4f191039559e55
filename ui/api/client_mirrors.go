package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/landfall-dev/landfall/ui/mirroring"
)

// Mirrors are the mirrors of an appliance, through its Client.
type Mirrors struct{ client *Client }

// Mirrors are the appliance's mirrors.
func (c *Client) Mirrors() *Mirrors { return &Mirrors{c} }

// List implements Mirrorer.
func (m *Mirrors) List(ctx context.Context) (l mirroring.Listing, err error) {
	return l, m.client.call(ctx, http.MethodGet, "mirrors", nil, &l)
}

// Start implements Mirrorer.
func (m *Mirrors) Start(ctx context.Context, mirrors []string, idempotencyKey string) (r mirroring.Run, err error) {
	return r, m.client.callKeyed(ctx, "mirrors/run", idempotencyKey, mirrorsRequest{mirrors}, &r)
}

// Runs implements MirrorRuns. An appliance lists at most 200 at once, and 50 when
// limit is 0.
func (m *Mirrors) Runs(ctx context.Context, before string, limit int) ([]mirroring.Run, error) {
	query := url.Values{}
	if before != "" {
		query.Set("before", before)
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var p page[mirroring.Run]
	err := m.client.call(ctx, http.MethodGet, "mirrors/runs?"+query.Encode(), nil, &p)
	return p.Items, err
}

// Run implements MirrorRuns.
func (m *Mirrors) Run(ctx context.Context, id string) (r mirroring.Run, err error) {
	return r, m.client.call(ctx, http.MethodGet, "mirrors/runs/"+url.PathEscape(id), nil, &r)
}

// Cancel implements Mirrorer.
func (m *Mirrors) Cancel(ctx context.Context, id string) (r mirroring.Run, err error) {
	return r, m.client.call(ctx, http.MethodPost, "mirrors/runs/"+url.PathEscape(id)+"/cancel", nil, &r)
}
