package landing_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	"github.com/landfall-dev/landfall/ui/landing"
)

// appliance is a store with what is attached to it, as clients see it.
type appliance struct {
	*remote.Registry
	store   *store.Store
	view    *attach.View
	landing *landing.Landing
}

func newAppliance(t *testing.T, dir string) *appliance {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &appliance{store: s, view: attach.NewView(s)}
	a.landing = landing.New(s, a.view, nil)
	server := httptest.NewServer(engine.New(s, engine.Options{View: a.view}))
	if a.Registry, err = remote.New(remote.Options{Server: server.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		server.Close()
		a.landing.Close()
		s.Close()
	})
	return a
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
	attached := false
	done, err := a.landing.Land(t.Context(), open(t, path), path, landing.Request{Attach: true}, func(p landing.Progress) { attached = attached || p.Attached })
	if err != nil || !attached || done.Verdict == nil || done.Moved != done.Total {
		t.Errorf("%+v, %v, attached %v", done, err, attached)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	a.whole(t, f)
	if list, err := a.store.Attachments(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// A landing that a restart ends goes on after it, without being asked.
func TestGoesOnAfterRestart(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	path := newBundle(t, f, bundle.CreateOptions{})
	a := newAppliance(t, dir)
	if err := a.store.AddAttachment(t.Context(), store.Attachment{Bundle: open(t, path).Header().ID, Path: path}); err != nil {
		t.Fatal(err)
	}
	keep(t, a)
	a.settled(t)
	a.whole(t, f)
}

func keep(t *testing.T, a *appliance) {
	ctx, stop := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		a.landing.Keep(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-kept
	})
}

// settled waits until nothing is pending.
func (a *appliance) settled(t *testing.T) {
	t.Helper()
	for {
		list, err := a.store.Attachments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
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
	r = open(t, path)
	if err := os.Truncate(path, r.Size()-2000); err != nil {
		t.Fatal(err)
	}
	_, err = a.landing.Land(t.Context(), r, path, landing.Request{Attach: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "import any copy of the bundle, and it goes on") {
		t.Fatalf("a landing without its medium: %v", err)
	}
	if list, err := a.store.Attachments(t.Context()); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	keep(t, a)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	a.settled(t)
	a.whole(t, f)
}

// A damaged blob ends a landing for good: waiting would not mend it.
func TestDamagedMedium(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := open(t, path)
	b := slices.MaxFunc(r.Header().Blobs, func(a, b bundle.Blob) int { return int(a.Size - b.Size) })
	if _, err := file.WriteAt([]byte("damage"), b.Offset); err != nil {
		t.Fatal(err)
	}
	if _, err := a.landing.Land(t.Context(), r, path, landing.Request{Attach: true}, nil); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("%v, want a digest mismatch", err)
	}
	if list, err := a.store.Attachments(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := a.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a name of a damaged bundle stays: %v", err)
	}
}

// When the medium stays away, any copy of the bundle is as good, and the first
// one is not waited for any more.
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
	r := open(t, path)
	if err := os.Truncate(path, r.Size()-2000); err != nil {
		t.Fatal(err)
	}
	if _, err := a.landing.Land(t.Context(), r, path, landing.Request{Attach: true}, nil); err == nil {
		t.Fatal("a landing without its medium")
	}
	done, err := a.landing.Land(t.Context(), open(t, copied), copied, landing.Request{Attach: true}, nil)
	if err != nil || done.Present == 0 {
		t.Errorf("the copy: %+v, %v; want what was there to be used", done, err)
	}
	a.whole(t, f)
	if list, err := a.store.Attachments(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
