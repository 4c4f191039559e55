package landing_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/upload"
)

// appliance is a store with what is attached to it, as clients see it.
type appliance struct {
	*remote.Registry
	store   *store.Store
	view    *attach.View
	pool    *jobs.Pool
	landing *landing.Landing
	uploads *upload.Uploads
	inbox   *httptest.Server // takes uploads
	drive   string           // a folder that stands for drive "d"
	blocked chan struct{}    // blockers hold up landings until it is closed
	stop    func()
}

func newAppliance(t *testing.T, dir string) *appliance {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &appliance{store: s, view: attach.NewView(s), drive: filepath.Join(dir, "drive"), blocked: make(chan struct{})}
	if a.pool, err = jobs.New(t.Context(), s, jobs.Options{Describe: api.DescribeFailure}); err != nil {
		t.Fatal(err)
	}
	if a.uploads, err = upload.New(t.Context(), s, filepath.Join(dir, "inbox"), upload.Options{}); err != nil {
		t.Fatal(err)
	}
	a.inbox = httptest.NewServer(a.uploads)
	a.landing = landing.New(s, a.view, a.pool, landing.Options{Uploads: a.uploads, Open: a.openOnDrive, Beside: a.besideOnDrive})
	a.pool.Register(jobs.Kind{Name: "blocker", Lane: landing.Kind, Width: 2, Run: func(ctx context.Context, _ *jobs.Run) (any, error) {
		select {
		case <-a.blocked:
		case <-ctx.Done():
		}
		return nil, ctx.Err()
	}})
	server := httptest.NewServer(engine.New(s, engine.Options{View: a.view}))
	if a.Registry, err = remote.New(remote.Options{Server: server.URL}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var kept sync.WaitGroup
	kept.Go(func() { a.pool.Keep(ctx) })
	kept.Go(func() { a.landing.Keep(ctx) })
	a.stop = sync.OnceFunc(func() {
		a.Close()
		server.Close()
		stop()
		kept.Wait()
		a.uploads.Close()
		a.inbox.Close()
		s.Close()
	})
	t.Cleanup(a.stop)
	return a
}

// start lets a bundle land that the site lets in.
func (a *appliance) start(t *testing.T, path string, request landing.Request) jobs.Job {
	t.Helper()
	j, err := a.landing.Start(t.Context(), landing.Source{Path: path}, request, "")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// await waits until a job is in a state.
func (a *appliance) await(t *testing.T, id string, state jobs.State) jobs.Job {
	t.Helper()
	for {
		j, err := a.pool.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State == state {
			return j
		}
		if j.State.Ended() {
			t.Fatalf("job %+v, %v; want it %s", j, j.Error, state)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// done is what a job did that was to end well.
func (a *appliance) done(t *testing.T, id string) (p landing.Progress) {
	t.Helper()
	if err := jobs.Decode(a.await(t, id, jobs.Done).Result, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func newBundle(t *testing.T, f *registrytest.Fixture, opts bundle.CreateOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.bundle")
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, opts, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *bundle.Reader {
	t.Helper()
	r, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// whole proves that everything of the fixture can be pulled.
func (a *appliance) whole(t *testing.T, f *registrytest.Fixture) {
	t.Helper()
	for _, n := range f.Graph.Names {
		if d, err := a.Resolve(t.Context(), n.Ref); err != nil || d.Digest != n.Descriptor.Digest {
			t.Errorf("%s is %s, %v", n.Ref, d.Digest, err)
		}
	}
	for _, n := range f.Graph.Manifests {
		for _, r := range n.Repositories {
			if _, content, err := a.Manifest(t.Context(), registry.Ref{Repository: r, Digest: n.Descriptor.Digest}); err != nil || digest.FromBytes(content) != n.Descriptor.Digest {
				t.Errorf("%s@%s: %v", r, n.Descriptor.Digest, err)
			}
		}
	}
	for _, n := range f.Graph.Blobs {
		for _, r := range n.Repositories {
			if _, err := registry.ReadBlob(t.Context(), a, r, n.Descriptor); err != nil {
				t.Errorf("%s@%s: %v", r, n.Descriptor.Digest, err)
			}
		}
	}
}

// What is attached can be pulled whole, with tags, referrers and parts of blobs,
// while the store has nothing.
func TestAttached(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	r := open(t, newBundle(t, f, bundle.CreateOptions{}))
	defer r.Close()
	admission, err := bundle.Admit(t.Context(), a.store, r, bundle.LandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	detach := a.view.Attach(admission, func(err error) { t.Error(err) })
	a.whole(t, f)
	list, err := a.Referrers(t.Context(), registrytest.App, f.Index.Digest)
	if err != nil || len(list) != 1 || list[0].Digest != f.Signature.Digest || list[0].ArtifactType == "" {
		t.Errorf("referrers %v, %v", list, err)
	}
	if got := names(t, a.Tags(t.Context(), registrytest.Tool, "")); !slices.Equal(got, []string{"v2"}) {
		t.Errorf("tags %q", got)
	}
	if got := names(t, a.view.RepositoryPaths(t.Context(), "")); !slices.Equal(got, []string{registrytest.App, registrytest.Tool}) {
		t.Errorf("repositories %q", got)
	}
	// Somebody builds on what was told to be here.
	layered := f.AddImage(registry.Ref{Repository: registrytest.App, Tag: "mine"}, "application/vnd.oci.image.manifest.v1+json", nil, f.Layer)
	g, err := registry.Walk(t.Context(), f, []registry.Ref{{Repository: registrytest.App, Tag: "mine"}}, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Copy(t.Context(), a, f, g, registry.CopyOptions{}); err != nil {
		t.Errorf("a push on top: %v", err)
	}
	if got := names(t, a.Tags(t.Context(), registrytest.App, "n")); len(got) != 2 || got[1] != "v1" {
		t.Errorf("tags from n on: %q", got)
	}
	detach()
	if _, err := a.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after it was detached: %v", err)
	}
	if d, err := a.Resolve(t.Context(), registry.Ref{Repository: registrytest.App, Tag: "mine"}); err != nil || d.Digest != layered.Digest {
		t.Errorf("what was pushed: %v", err)
	}
}

func names(t *testing.T, list func(func(string, error) bool)) (got []string) {
	t.Helper()
	for name, err := range list {
		if err != nil {
			t.Error(err)
		}
		got = append(got, name)
	}
	return got
}

// A thin bundle is whole with what the store has, whichever repository has it.
func TestAttachedThin(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	tool, err := registry.Walk(t.Context(), f, f.Names[1:], registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Copy(t.Context(), a.store, f, tool, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	have := map[digest.Digest]bool{}
	for _, n := range slices.Concat(tool.Manifests, tool.Blobs) {
		have[n.Descriptor.Digest] = true
	}
	r := open(t, newBundle(t, f, bundle.CreateOptions{Have: func(d digest.Digest) bool { return have[d] }}))
	defer r.Close()
	admission, err := bundle.Admit(t.Context(), a.store, r, bundle.LandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.view.Attach(admission, func(err error) { t.Error(err) })()
	a.whole(t, f)
}

// A landing tells that hosts can pull, ends in the store, and is forgotten.
func TestLandAttached(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	done := a.done(t, a.start(t, path, landing.Request{Attach: true}).ID)
	if !done.Attached || done.Verdict == nil || done.Moved != done.Total {
		t.Errorf("%+v", done)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.whole(t, f)
}

// What is refused is refused at once, and leaves no job.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	if err := a.store.SetTrustPolicy(t.Context(), []byte(policy(t))); err != nil {
		t.Fatal(err)
	}
	path := newBundle(t, f, bundle.CreateOptions{})
	for _, c := range []struct {
		source landing.Source
		want   error
	}{
		{landing.Source{Path: path}, registry.ErrUntrusted},
		{landing.Source{Path: filepath.Join(t.TempDir(), "nosuch")}, registry.ErrNotFound},
		{landing.Source{}, registry.ErrInvalid},
		{landing.Source{Upload: "x"}, registry.ErrNotFound},
		{landing.Source{Drive: "d", File: "x"}, registry.ErrNotFound},
	} {
		if _, err := a.landing.Start(t.Context(), c.source, landing.Request{}, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.source, err, c.want)
		}
	}
	if list, err := a.pool.List(t.Context(), jobs.Filter{}); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	i, err := a.landing.Inspect(t.Context(), landing.Source{Path: path})
	if err != nil || i.Refused == "" || i.Verdict != nil || len(i.Names) != 3 || i.Names[0].Change != "new" || i.New == 0 {
		t.Errorf("%+v, %v", i, err)
	}
}

// policy trusts one key that has signed nothing here.
func policy(t *testing.T) string {
	t.Helper()
	key, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	public := strings.ReplaceAll(strings.TrimSpace(string(key.Key.PEM())), "\n", "\n      ")
	return "version: 1\nkeys:\n  - owner: somebody\n    pem: |\n      " + public + "\n"
}

// A bundle is proven without being landed, and what is damaged is named.
func TestVerify(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	j, err := a.landing.Verify(t.Context(), landing.Source{Path: path}, "")
	if err != nil {
		t.Fatal(err)
	}
	a.await(t, j.ID, jobs.Done)
	damage(t, path)
	if j, err = a.landing.Verify(t.Context(), landing.Source{Path: path}, ""); err != nil {
		t.Fatal(err)
	}
	if j = a.await(t, j.ID, jobs.Failed); j.Error.Kind != "digest" {
		t.Errorf("%+v", j.Error)
	}
	if list, err := a.pool.List(t.Context(), jobs.Filter{Kind: landing.Kind}); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// damage changes a byte of the largest blob.
func damage(t *testing.T, path string) {
	t.Helper()
	r := open(t, path)
	defer r.Close()
	b := slices.MaxFunc(r.Header().Blobs, func(a, b bundle.Blob) int { return int(a.Size - b.Size) })
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte("damage"), b.Offset); err != nil {
		t.Fatal(err)
	}
}

// A landing that a restart ends goes on after it, without being asked.
func TestGoesOnAfterRestart(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	path := newBundle(t, f, bundle.CreateOptions{})
	a := newAppliance(t, dir)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j := a.start(t, path, landing.Request{Attach: true})
	a.stop()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a = newAppliance(t, dir)
	a.done(t, j.ID)
	a.whole(t, f)
}

// A medium that breaks ends its names at once and loses nothing; the landing
// goes on when a copy comes back, and then is whole.
func TestMediumRemoved(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	admission, err := bundle.Admit(t.Context(), a.store, r, bundle.LandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan error, 1)
	a.view.Attach(admission, func(err error) { lost <- err })
	a.whole(t, f)
	// As when a stick is taken out: nothing can be read there any more.
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.ReadBlob(t.Context(), a, registrytest.App, f.Layer); err == nil {
		t.Error("a blob of a medium that is gone")
	}
	if err := <-lost; err == nil {
		t.Error("it is lost without a reason")
	}
	if _, err := a.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a name of a medium that is gone: %v", err)
	}
	r.Close()
	// The same in the midst of a landing; some blobs are in the store.
	some := *f.Graph
	some.Names, some.Manifests, some.Blobs = nil, nil, some.Blobs[:3]
	if err := registry.Copy(t.Context(), a.store, f, &some, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	j := a.takenOut(t, landing.Source{Path: path}, landing.Request{Attach: true})
	if !strings.Contains(j.Error.Message, "bring any copy of the file, and it goes on") {
		t.Error(j.Error)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if done := a.done(t, j.ID); done.Present == 0 {
		t.Errorf("%+v; want what was there to be used", done)
	}
	a.whole(t, f)
}

// takenOut is a landing whose medium is taken out before it begins.
func (a *appliance) takenOut(t *testing.T, s landing.Source, request landing.Request) jobs.Job {
	t.Helper()
	for range 2 {
		if _, err := a.pool.Start(t.Context(), "blocker", nil, jobs.StartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	j := a.land(t, s, request)
	if err := os.Truncate(s.Path, 100); err != nil {
		t.Fatal(err)
	}
	close(a.blocked)
	return a.await(t, j.ID, jobs.Waiting)
}

// A damaged blob ends a landing for good: waiting would not mend it.
func TestDamagedMedium(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	damage(t, path)
	if j := a.await(t, a.start(t, path, landing.Request{Attach: true}).ID, jobs.Failed); j.Error.Kind != "digest" {
		t.Errorf("%+v, want a digest mismatch", j.Error)
	}
	if _, err := a.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a name of a damaged bundle stays: %v", err)
	}
}

// When the medium stays away, any copy of the bundle is as good.
func TestAnyCopyGoesOn(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	copied := filepath.Join(t.TempDir(), "copy.bundle")
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	j := a.takenOut(t, landing.Source{Path: path}, landing.Request{Attach: true})
	again := a.start(t, copied, landing.Request{Attach: true})
	if again.ID != j.ID {
		t.Errorf("job %s, want %s to go on", again.ID, j.ID)
	}
	if done := a.done(t, j.ID); done.Source != copied {
		t.Errorf("%+v, want it from %s", done, copied)
	}
	a.whole(t, f)
}
