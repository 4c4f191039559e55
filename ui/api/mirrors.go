package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// MirrorRuns tells what runs of mirrors do and did: a Mirrorer does, and so does
// the history of a store alone.
type MirrorRuns interface {
	// Runs lists the newest first, those before an id: 0 for all.
	Runs(ctx context.Context, before int64, limit int) ([]mirroring.Run, error)
	Run(ctx context.Context, id int64) (mirroring.Run, error)
}

// Mirrorer runs mirrors.
type Mirrorer interface {
	MirrorRuns
	List(ctx context.Context) (mirroring.Listing, error)
	// Start runs mirrors of some names, or all.
	Start(ctx context.Context, mirrors []string) (mirroring.Run, error)
	Cancel(ctx context.Context, id int64) (mirroring.Run, error)
}

var (
	_ Mirrorer   = (*mirroring.Mirroring)(nil)
	_ Mirrorer   = (*Mirrors)(nil)
	_ MirrorRuns = (*mirroring.History)(nil)
)

// errNoMirrors says that an appliance was not told of any mirrors.
var errNoMirrors = fmt.Errorf("%w: this appliance keeps no mirrors: it has to be started with 'landfall serve --mirror FILE'", registry.ErrNotFound)

// How many runs one answer lists.
const (
	defaultRuns = 50
	maxRuns     = 200
)

type startRequest struct {
	Mirrors []string `json:"mirrors"` // empty: all
}

// mirrors serves a Mirrorer; without one it says so.
func mirrors(mux *http.ServeMux, m Mirrorer) {
	if m == nil {
		none := func(w http.ResponseWriter, _ *http.Request) { refuse(w, errNoMirrors) }
		mux.HandleFunc("/api/v1/mirrors", none)
		mux.HandleFunc("/api/v1/mirrors/", none)
		return
	}
	h := mirrorHandler{m}
	mux.HandleFunc("GET /api/v1/mirrors", answer(func(r *http.Request) (any, error) { return m.List(r.Context()) }))
	mux.HandleFunc("POST /api/v1/mirrors/run", answer(h.start))
	mux.HandleFunc("GET /api/v1/mirrors/runs", answer(h.runs))
	mux.HandleFunc("GET /api/v1/mirrors/runs/{id}", answer(h.run))
	mux.HandleFunc("POST /api/v1/mirrors/runs/{id}/cancel", answer(h.cancel))
}

type mirrorHandler struct{ mirrors Mirrorer }

func (h mirrorHandler) start(r *http.Request) (any, error) {
	var request startRequest
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return h.mirrors.Start(r.Context(), request.Mirrors)
}

func (h mirrorHandler) runs(r *http.Request) (any, error) {
	before, err := number(r, "before", 0, 0)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", defaultRuns, maxRuns)
	if err != nil {
		return nil, err
	}
	return h.mirrors.Runs(r.Context(), before, int(limit))
}

// number reads a parameter from 1 to most, without a bound when that is 0.
func number(r *http.Request, name string, otherwise, most int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || most > 0 && n > most {
		return 0, fmt.Errorf("%w: %s %q", registry.ErrInvalid, name, text)
	}
	return n, nil
}

func runID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		err = fmt.Errorf("%w: run %q", registry.ErrInvalid, r.PathValue("id"))
	}
	return id, err
}

func (h mirrorHandler) run(r *http.Request) (any, error) {
	id, err := runID(r)
	if err != nil {
		return nil, err
	}
	return h.mirrors.Run(r.Context(), id)
}

func (h mirrorHandler) cancel(r *http.Request) (any, error) {
	id, err := runID(r)
	if err != nil {
		return nil, err
	}
	return h.mirrors.Cancel(r.Context(), id)
}

// Mirrors are the mirrors of an appliance, through its Client.
type Mirrors struct{ client *Client }

// Mirrors are the appliance's mirrors.
func (c *Client) Mirrors() *Mirrors { return &Mirrors{c} }

// List implements Mirrorer.
func (m *Mirrors) List(ctx context.Context) (l mirroring.Listing, err error) {
	return l, m.client.call(ctx, http.MethodGet, "mirrors", nil, &l)
}

// Start implements Mirrorer.
func (m *Mirrors) Start(ctx context.Context, mirrors []string) (r mirroring.Run, err error) {
	return r, m.client.call(ctx, http.MethodPost, "mirrors/run", startRequest{mirrors}, &r)
}

// Runs implements MirrorRuns. An appliance lists at most 200 at once, and 50 when
// limit is 0.
func (m *Mirrors) Runs(ctx context.Context, before int64, limit int) (list []mirroring.Run, err error) {
	query := url.Values{}
	if before > 0 {
		query.Set("before", strconv.FormatInt(before, 10))
	}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	return list, m.client.call(ctx, http.MethodGet, "mirrors/runs?"+query.Encode(), nil, &list)
}

// Run implements MirrorRuns.
func (m *Mirrors) Run(ctx context.Context, id int64) (r mirroring.Run, err error) {
	return r, m.client.call(ctx, http.MethodGet, fmt.Sprintf("mirrors/runs/%d", id), nil, &r)
}

// Cancel implements Mirrorer.
func (m *Mirrors) Cancel(ctx context.Context, id int64) (r mirroring.Run, err error) {
	return r, m.client.call(ctx, http.MethodPost, fmt.Sprintf("mirrors/runs/%d/cancel", id), struct{}{}, &r)
}
