package drives_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/drives"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is an appliance's part that lands from drives; a folder stands for one.
type site struct {
	*registrytest.Fixture
	t         *testing.T
	folder    string
	store     *store.Store
	pool      *jobs.Pool
	landing   *landing.Landing
	drives    *drives.Drives
	bus       *events.Bus
	automatic bool
}

func newSite(t *testing.T, automatic bool) *site {
	t.Helper()
	s := &site{Fixture: registrytest.NewFixture(t), t: t, folder: t.TempDir(), bus: events.NewBus(0), automatic: automatic}
	var err error
	if s.store, err = store.Open(t.Context(), t.TempDir(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.pool, err = jobs.New(t.Context(), s.store, jobs.Options{}); err != nil {
		t.Fatal(err)
	}
	s.drives = drives.New(s.pool, drives.Options{Watch: media.Options{Folders: []string{s.folder}, NoDevices: true},
		Automatic: func() bool { return s.automatic }, Events: s.bus})
	open := func(ctx context.Context, at landing.Source, id string) (bundle.Medium, error) {
		f, err := s.drives.Open(ctx, at, id)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	s.landing = landing.New(s.store, attach.NewView(s.store), s.pool, landing.Options{Open: open})
	s.drives.SetLanding(s.landing)
	ctx, stop := context.WithCancel(context.Background())
	var kept sync.WaitGroup
	kept.Go(func() { s.pool.Keep(ctx) })
	kept.Go(func() { s.drives.Keep(ctx) })
	t.Cleanup(func() {
		stop()
		kept.Wait()
		s.bus.Close()
		s.store.Close()
	})
	return s
}

// bundle puts a bundle on the drive, signed with keys.
func (s *site) bundle(name string, keys ...*trust.PrivateKey) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	h, err := bundle.Export(s.t.Context(), path, s.Fixture, s.Graph, bundle.CreateOptions{Keys: keys, Channel: "stable"}, registry.CopyOptions{})
	if err == nil {
		err = os.Rename(path, filepath.Join(s.folder, name)) // at once, as when it is plugged in
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.drives.Rescan()
	return h.ID
}

func newKey(t *testing.T) *trust.PrivateKey {
	t.Helper()
	key, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// trusts lets in what a key has signed only.
func (s *site) trusts(key *trust.PrivateKey) {
	s.t.Helper()
	public := strings.ReplaceAll(strings.TrimSpace(string(key.Key.PEM())), "\n", "\n      ")
	if err := s.store.SetTrustPolicy(s.t.Context(), []byte("version: 1\nkeys:\n  - owner: ops\n    channels: [stable]\n    pem: |\n      "+public+"\n")); err != nil {
		s.t.Fatal(err)
	}
}

// sees waits until a bundle was found on the drive, and says where.
func (s *site) sees(id string) landing.Source {
	s.t.Helper()
	for {
		for _, at := range s.drives.List() {
			for _, c := range at.Candidates {
				if c.Header != nil && c.Header.Bundle == id {
					return landing.Source{Drive: at.ID, File: c.ID}
				}
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// imports are the jobs so far.
func (s *site) imports() []jobs.Job {
	s.t.Helper()
	list, err := s.pool.List(s.t.Context(), jobs.Filter{Kind: landing.Kind})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// landed waits for the only import there is to end well.
func (s *site) landed() jobs.Job {
	s.t.Helper()
	for {
		if list := s.imports(); len(list) > 0 {
			j, err := s.pool.Await(s.t.Context(), list[0].ID)
			if err != nil || j.State != jobs.Done || len(list) != 1 {
				s.t.Fatalf("%+v, %v, %d imports", j, err, len(list))
			}
			return j
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What is on a drive is told of, and lands by hand.
func TestByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	news := s.bus.Subscribe("", "drive")
	defer news.Close()
	key := newKey(t)
	s.trusts(key)
	source := s.sees(s.bundle("a.bundle", key))
	if e, err := news.Next(t.Context()); err != nil || !strings.Contains(string(e.Data), `"arrived"`) {
		t.Errorf("%s, %v", e.Data, err)
	}
	if list := s.imports(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if _, err := s.landing.Start(t.Context(), source, landing.Request{}, ""); err != nil {
		t.Fatal(err)
	}
	s.landed()
	if d, err := s.store.Resolve(t.Context(), s.Names[0]); err != nil || d.Digest != s.Index.Digest {
		t.Errorf("%+v, %v", d, err)
	}
}

// By policy a bundle lands by itself, once, when a trusted key has signed it; others
// do not, whatever they say.
func TestAutomatic(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	key := newKey(t)
	s.trusts(key)
	s.sees(s.bundle("stranger.bundle", newKey(t)))
	if err := os.Remove(filepath.Join(s.folder, "stranger.bundle")); err != nil {
		t.Fatal(err)
	}
	j := s.imported(s.bundle("b.bundle", key))
	if j.Owner != "system" {
		t.Errorf("%+v", j)
	}
	s.drives.Rescan()
	s.landed()
}

// imported waits for the import of a bundle.
func (s *site) imported(id string) jobs.Job {
	s.t.Helper()
	for {
		for _, j := range s.imports() {
			if j.Subject != id {
				s.t.Fatalf("%+v landed", j)
			}
			return j
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What waits for a bundle goes on when a drive brings it, under whatever name.
func TestReturned(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	path := filepath.Join(t.TempDir(), "a.bundle")
	h, err := bundle.Export(t.Context(), path, s.Fixture, s.Graph, bundle.CreateOptions{Created: time.Unix(1, 0)}, registry.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	j, err := s.landing.Start(t.Context(), landing.Source{Path: path}, landing.Request{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if at, err := s.pool.Get(t.Context(), j.ID); err != nil || at.State == jobs.Done {
		t.Skip("it landed before it could be taken away")
	}
	staged := filepath.Join(t.TempDir(), "renamed")
	if err := os.WriteFile(staged, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(staged, filepath.Join(s.folder, "renamed.bundle")); err != nil {
		t.Fatal(err)
	}
	s.drives.Rescan()
	s.sees(h.ID)
	s.landed()
}
