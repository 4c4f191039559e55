package chores_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is a store with the fixture's content whose chores are jobs.
type site struct {
	*registrytest.Fixture
	t       *testing.T
	dir     string
	exports string
	store   *store.Store
	pool    *jobs.Pool
	stop    func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Fixture: registrytest.NewFixture(t), t: t, dir: t.TempDir(), exports: filepath.Join(t.TempDir(), "exports")}
	s.open()
	if err := registry.Copy(t.Context(), s.store, s.Fixture, s.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *site) open() {
	s.t.Helper()
	var err error
	if s.store, err = store.Open(s.t.Context(), s.dir, store.Options{Lease: -1}); err != nil {
		s.t.Fatal(err)
	}
	if s.pool, err = jobs.New(s.t.Context(), s.store, jobs.Options{}); err != nil {
		s.t.Fatal(err)
	}
	chores.Register(s.pool, s.store, s.exports)
	ctx, stop := context.WithCancel(context.Background())
	var kept sync.WaitGroup
	kept.Go(func() { s.pool.Keep(ctx) })
	s.stop = sync.OnceFunc(func() {
		stop()
		kept.Wait()
		s.store.Close()
	})
}

// does starts a job and waits for its end.
func (s *site) does(kind string, args, result any) jobs.Job {
	s.t.Helper()
	return s.ends(s.starts(kind, args).ID, result)
}

func (s *site) starts(kind string, args any) jobs.Job {
	s.t.Helper()
	j, err := s.pool.Start(s.t.Context(), kind, args, jobs.StartOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s *site) ends(id string, result any) jobs.Job {
	s.t.Helper()
	j, err := s.pool.Await(s.t.Context(), id)
	if err == nil {
		err = jobs.Decode(j.Result, result)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// reaches waits until a job is in a state.
func (s *site) reaches(id string, state jobs.State) {
	s.t.Helper()
	for {
		j, err := s.pool.Get(s.t.Context(), id)
		if err != nil || j.State.Ended() {
			s.t.Fatalf("%+v, %v; want it %s", j, err, state)
		}
		if j.State == state {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// A scrub proves the store, and tells of damage while it finds it.
func TestScrub(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := filepath.Join(s.dir, "blobs", "sha256", s.Layer.Digest.Encoded()[:2], s.Layer.Digest.Encoded())
	content := bytes.Clone(s.Content[s.Layer.Digest])
	content[0] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	var done store.Scrubbed
	j := s.does(chores.Scrub, chores.ScrubArgs{Fresh: true}, &done)
	if j.State != jobs.Done || len(done.Damaged) != 1 || j.Progress.Bytes == 0 {
		t.Errorf("%+v, %+v", j, done)
	}
	lines, err := s.pool.Lines(t.Context(), j.ID, 0, 10)
	var told store.Damage
	if err != nil || len(lines) != 1 || jobs.Decode(lines[0].Data, &told) != nil || told.Digest != s.Layer.Digest {
		t.Errorf("%+v, %v", lines, err)
	}
}

// The appliance's own scrub makes way for one that somebody wants, and ends well.
func TestScrubYields(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	background := s.starts(chores.Scrub, chores.ScrubArgs{Rate: 1, Yields: true})
	s.reaches(background.ID, jobs.Running)
	var done store.Scrubbed
	for {
		stats, err := s.store.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stats.Scrub.Running {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if j := s.does(chores.Scrub, chores.ScrubArgs{}, &done); j.State != jobs.Done || done.Blobs != 12 {
		t.Errorf("%+v, %+v", j, done)
	}
	if j := s.ends(background.ID, &struct{}{}); j.State != jobs.Done {
		t.Errorf("%+v", j)
	}
}

// A collection takes out what nothing keeps, after the policy was applied.
func TestCollect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.store.SetPolicy(t.Context(), []byte("version: 1\nrules:\n  - repositories: [\""+registrytest.Tool+"\"]\n    keep: {tags: [\"x.*\"]}\n")); err != nil {
		t.Fatal(err)
	}
	var done chores.Collected
	j := s.does(chores.Collect, chores.CollectArgs{Now: true, Retain: true}, &done)
	if j.State != jobs.Done || done.Retained == nil || done.Retained.Removed != 1 || done.Collected == nil || done.Manifests == 0 || done.Erased.Bytes == 0 {
		t.Errorf("%+v, %s", j, j.Result)
	}
}

// A bundle is made of names, signed with the site's key, and is the same one when
// the appliance ends while it is made.
func TestExport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	args := chores.ExportArgs{Names: []string{registrytest.App + ":v1"}, Platforms: []string{"linux/arm64"}, Channel: "stable", Sign: true}
	begun := s.starts(chores.Export, args)
	s.stop()
	s.open()
	var done chores.Exported
	j := s.ends(begun.ID, &done)
	if j.State != jobs.Done {
		t.Fatalf("%+v", j)
	}
	r, err := bundle.Open(chores.ExportFile(s.exports, j.ID))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	id, err := s.store.SiteID(t.Context())
	if err != nil || r.Header().ID != done.ID || r.Header().Channel != "stable" || len(r.Signatures()) != 1 || r.Signatures()[0].KeyID != id {
		t.Errorf("%+v, signed %+v by %s, %v", r.Header(), r.Signatures(), id, err)
	}
	if err := r.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	for _, bad := range []chores.ExportArgs{{Names: []string{registrytest.App + ":nosuch"}}, {Names: args.Names, Expires: "soon"}, {Names: args.Names, Platforms: []string{"x"}}} {
		if j := s.does(chores.Export, bad, &struct{}{}); j.State != jobs.Failed {
			t.Errorf("%+v: %+v", bad, j)
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.exports, "*")); err != nil || len(left) != 1 {
		t.Errorf("%q, %v", left, err)
	}
}
