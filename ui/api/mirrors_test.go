package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// mirrorer remembers what it was asked for.
type mirrorer struct{ asked []string }

func (m *mirrorer) note(format string, args ...any) {
	m.asked = append(m.asked, fmt.Sprintf(format, args...))
}

var someRun = mirroring.Run{ID: 7, Mirrors: []string{"a"}, Trigger: mirroring.Manual, State: mirroring.Running,
	Started: time.Unix(0, 0).UTC(), Progress: &mirroring.Progress{Planned: 10, Moved: 5, Images: 2, Copied: 1}}

func (m *mirrorer) List(context.Context) (mirroring.Listing, error) {
	m.note("list")
	return mirroring.Listing{File: "mirror.yaml", Mirrors: []mirroring.Status{{Name: "a", State: mirroring.Idle}}}, nil
}

func (m *mirrorer) Start(_ context.Context, names []string) (mirroring.Run, error) {
	m.note("start %q", names)
	if slices.Contains(names, "busy") {
		return mirroring.Run{}, fmt.Errorf("%w: busy", registry.ErrConflict)
	}
	return someRun, nil
}

func (m *mirrorer) Runs(_ context.Context, before int64, limit int) ([]mirroring.Run, error) {
	m.note("runs %d %d", before, limit)
	return []mirroring.Run{someRun}, nil
}

func (m *mirrorer) Run(_ context.Context, id int64) (mirroring.Run, error) {
	m.note("run %d", id)
	if id != 7 {
		return mirroring.Run{}, registry.ErrNotFound
	}
	return someRun, nil
}

func (m *mirrorer) Cancel(_ context.Context, id int64) (mirroring.Run, error) {
	m.note("cancel %d", id)
	return someRun, nil
}

// An appliance's mirrors are the same through a client, and errors keep their kind.
func TestMirrors(t *testing.T) {
	t.Parallel()
	m := &mirrorer{}
	server := httptest.NewServer(api.Handler(failing{}, api.Options{Mirrors: m}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Mirrors()
	list, err := c.List(t.Context())
	if must(t, list, err); list.File != "mirror.yaml" || len(list.Mirrors) != 1 || list.Mirrors[0].State != mirroring.Idle {
		t.Errorf("%+v", list)
	}
	run, err := c.Start(t.Context(), nil)
	if must(t, run, err); run.ID != 7 || *run.Progress != *someRun.Progress || !run.Live() {
		t.Errorf("%+v", run)
	}
	_, err = c.Start(t.Context(), []string{"busy"})
	wantError(t, err, registry.ErrConflict)
	for _, page := range []struct {
		before int64
		limit  int
	}{{0, 0}, {9, 200}} {
		runs, err := c.Runs(t.Context(), page.before, page.limit)
		if must(t, runs, err); len(runs) != 1 {
			t.Errorf("%+v", runs)
		}
	}
	run, err = c.Run(t.Context(), 7)
	must(t, run, err)
	_, err = c.Run(t.Context(), 8)
	wantError(t, err, registry.ErrNotFound)
	run, err = c.Cancel(t.Context(), 7)
	must(t, run, err)
	want := []string{"list", `start []`, `start ["busy"]`, "runs 0 50", "runs 9 200", "run 7", "run 8", "cancel 7"}
	if !slices.Equal(m.asked, want) {
		t.Errorf("asked %q, want %q", m.asked, want)
	}
	_, err = c.Runs(t.Context(), 0, 201)
	wantError(t, err, registry.ErrInvalid)
	p := &place{t: t, server: server}
	for _, path := range []string{"mirrors/runs?before=x", "mirrors/runs?limit=0", "mirrors/runs/x"} {
		if status, body := p.request("GET", "/api/v1/"+path, ""); status != 400 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := p.request("POST", "/api/v1/mirrors/run", "{}", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("from another site's page: %d %s", status, body)
	}
}

// An appliance without mirrors says how to have some.
func TestNoMirrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(api.Handler(failing{}, api.Options{}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Mirrors()
	_, list := c.List(t.Context())
	_, start := c.Start(t.Context(), nil)
	_, runs := c.Runs(t.Context(), 0, 0)
	_, run := c.Run(t.Context(), 1)
	_, cancel := c.Cancel(t.Context(), 1)
	for _, err := range []error{list, start, runs, run, cancel} {
		wantError(t, err, registry.ErrNotFound)
		if err.Error() != "not found: this appliance keeps no mirrors: it has to be started with 'landfall serve --mirror FILE'" {
			t.Error(err)
		}
	}
}
