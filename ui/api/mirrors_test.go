package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
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

var someRun = mirroring.Run{ID: "7", Mirrors: []string{"a"}, Trigger: mirroring.Manual, State: mirroring.Running,
	Started: time.Unix(0, 0).UTC(), Progress: &mirroring.Progress{Planned: 10, Moved: 5, Images: 2, Copied: 1}}

func (m *mirrorer) List(context.Context) (mirroring.Listing, error) {
	m.note("list")
	return mirroring.Listing{File: "mirror.yaml", Mirrors: []mirroring.Status{{Name: "a", State: mirroring.Idle}}}, nil
}

func (m *mirrorer) Start(_ context.Context, names []string, key string) (mirroring.Run, error) {
	m.note("start %q %q", names, key)
	if slices.Contains(names, "busy") {
		return mirroring.Run{}, fmt.Errorf("%w: busy", registry.ErrConflict)
	}
	return someRun, nil
}

func (m *mirrorer) Runs(_ context.Context, before string, limit int) ([]mirroring.Run, error) {
	m.note("runs %q %d", before, limit)
	return []mirroring.Run{someRun}, nil
}

func (m *mirrorer) Run(_ context.Context, id string) (mirroring.Run, error) {
	m.note("run %s", id)
	if id != "7" {
		return mirroring.Run{}, registry.ErrNotFound
	}
	return someRun, nil
}

func (m *mirrorer) Cancel(_ context.Context, id string) (mirroring.Run, error) {
	m.note("cancel %s", id)
	return someRun, nil
}

// An appliance's mirrors are the same through a client, and errors keep their kind.
func TestMirrors(t *testing.T) {
	t.Parallel()
	m := &mirrorer{}
	server := httptest.NewServer(api.New(api.Options{Site: failing{}, Mirrors: m}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Mirrors()
	list, err := c.List(t.Context())
	if must(t, list, err); list.File != "mirror.yaml" || len(list.Mirrors) != 1 || list.Mirrors[0].State != mirroring.Idle {
		t.Errorf("%+v", list)
	}
	run, err := c.Start(t.Context(), nil, "k")
	if must(t, run, err); run.ID != "7" || *run.Progress != *someRun.Progress || !run.Live() {
		t.Errorf("%+v", run)
	}
	_, err = c.Start(t.Context(), []string{"busy"}, "")
	wantError(t, err, registry.ErrConflict)
	for _, page := range []struct {
		before string
		limit  int
	}{{"", 0}, {"9", 200}} {
		runs, err := c.Runs(t.Context(), page.before, page.limit)
		if must(t, runs, err); len(runs) != 1 {
			t.Errorf("%+v", runs)
		}
	}
	run, err = c.Run(t.Context(), "7")
	must(t, run, err)
	_, err = c.Run(t.Context(), "8")
	wantError(t, err, registry.ErrNotFound)
	run, err = c.Cancel(t.Context(), "7")
	must(t, run, err)
	want := []string{"list", `start [] "k"`, `start ["busy"] ""`, `runs "" 51`, `runs "9" 201`, "run 7", "run 8", "cancel 7"}
	if !slices.Equal(m.asked, want) {
		t.Errorf("asked %q, want %q", m.asked, want)
	}
	if _, err := c.Runs(t.Context(), "", 201); err == nil || !strings.Contains(err.Error(), "query.limit") {
		t.Errorf("%v, want the parameter named", err)
	}
}

// An appliance without mirrors says how to have some.
func TestNoMirrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(api.New(api.Options{Site: failing{}}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Mirrors()
	_, list := c.List(t.Context())
	_, start := c.Start(t.Context(), nil, "")
	_, runs := c.Runs(t.Context(), "", 0)
	_, run := c.Run(t.Context(), "1")
	_, cancel := c.Cancel(t.Context(), "1")
	for _, err := range []error{list, start, runs, run, cancel} {
		wantError(t, err, registry.ErrNotFound)
		if err.Error() != "not found: this appliance keeps no mirrors: it has to be started with 'landfall serve --mirror FILE'" {
			t.Error(err)
		}
	}
}
