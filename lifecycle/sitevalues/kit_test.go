package sitevalues

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const secret = "s3cret-of-the-site"

// site is the values of a site, with all changes that were told.
type site struct {
	*Values
	t       testing.TB
	dir     string
	changes []Change
	refuse  error // what a change is answered with
}

func newSite(t testing.TB) *site {
	t.Helper()
	return openSite(t, t.TempDir())
}

func openSite(t testing.TB, dir string) *site {
	t.Helper()
	db, err := sqldb.Open(t.Context(), filepath.Join(dir, "landfall.db"), fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT);\n")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &site{t: t, dir: dir}
	s.Values, err = Open(t.Context(), db, Options{KeyFile: s.keyFile(), Record: func(_ context.Context, _ *sql.Tx, c Change) error {
		if s.refuse != nil {
			return s.refuse
		}
		before, after := map[string]any{}, map[string]any{}
		for name, v := range c.Before {
			before[name] = v
		}
		for name, v := range c.After {
			after[name] = v
		}
		s.changes = append(s.changes, Change{c.Kind, c.Scope, before, after})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) keyFile() string { return filepath.Join(s.dir, "values.key") }

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// set sets one value, and has to succeed.
func (s *site) set(d *definition.Definition, name string, value any) {
	s.t.Helper()
	s.must(s.Set(s.t.Context(), d.Name, d, Patch{Set: map[string]any{name: value}}))
}

// shown is a variable as it is listed.
func (s *site) shown(d *definition.Definition, name string) Value {
	s.t.Helper()
	l, err := s.Show(s.t.Context(), d.Name, d)
	s.must(err)
	for _, v := range l.Variables {
		if v.Name == name {
			return v
		}
	}
	s.t.Fatalf("%s is not listed: %+v", name, l)
	return Value{}
}

// files is all that the folder has, but the key.
func (s *site) files() (content string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	s.must(err)
	for _, e := range entries {
		if e.Name() != "values.key" {
			b, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
			s.must(err)
			content += string(b)
		}
	}
	return content
}

func most(n float64) *float64 { return &n }

// edge is a definition with a variable of each kind that matters here.
func edge() *definition.Definition {
	return &definition.Definition{Name: "edge", Version: "1.0.0", Variables: []variable.Declaration{
		{Name: "replicas", Type: variable.Integer, Default: int64(2), Max: most(5)},
		{Name: "share", Type: variable.Number},
		{Name: "hosts", Type: variable.List},
		{Name: "domain", Type: variable.String, Required: true, Pattern: `[a-z.]+`},
		{Name: "password", Type: variable.String, Sensitive: true, Pattern: `[a-z0-9-]+`},
		{Name: "network", Type: variable.String, Default: "10.0.0.0/8", Immutable: true},
		{Name: "seed", Type: variable.String, Immutable: true, Sensitive: true},
	}}
}
