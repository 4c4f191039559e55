package landing_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/upload"
)

// Archives land like bundles: from each place, with what they bring told, and in
// place of what a name stood for.
func TestArchives(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	id := a.send(t, "app.tar", dockerArchive(t, 3, 5000, "app:1", "quay.io/x/app:1"))
	uploaded := landing.Source{Upload: id}
	i, err := a.landing.Inspect(t.Context(), uploaded)
	must(t, err)
	if got := arrivals(i); !slices.Equal(got, []string{"docker.io/library/app:1 new", "quay.io/x/app:1 new"}) || i.Kind != upload.DockerArchive || i.Refused != "" ||
		i.Verdict == nil || i.New < 15_000 || i.New >= i.Size || i.Free == 0 || i.Names[0].Platforms[0].Platform != "linux/amd64" {
		t.Errorf("%+v", i)
	}
	j, err := a.landing.Verify(t.Context(), uploaded, "")
	must(t, err)
	a.await(t, j.ID, jobs.Done)
	done := a.done(t, a.land(t, uploaded, landing.Request{Verify: true, Attach: true}).ID)
	if !slices.Equal(done.Names, []string{"docker.io/library/app:1", "quay.io/x/app:1"}) || done.Moved != i.New || done.Moved != done.Total || done.Attached ||
		done.Kind != upload.DockerArchive || done.Verdict == nil || len(done.Verdict.Warnings) != 1 {
		t.Errorf("%+v", done)
	}
	a.has(t, "app:1", "quay.io/x/app:1")
	a.consumed(t, id)
	// The same again, from the machine: nothing moves.
	if done := a.done(t, a.land(t, landing.Source{Path: save(t, dockerArchive(t, 3, 5000, "app:1"))}, landing.Request{}).ID); done.Moved != 0 || done.Present != 5 {
		t.Errorf("%+v the second time", done)
	}
	// Another image takes the name, from a drive.
	other := a.plug(t, "other.tar", dockerArchive(t, 1, 100, "app:1"))
	if i, err = a.landing.Inspect(t.Context(), other); err != nil || !slices.Equal(arrivals(i), []string{"docker.io/library/app:1 moves"}) {
		t.Errorf("%+v, %v", i, err)
	}
	a.done(t, a.land(t, other, landing.Request{}).ID)
	if i, err = a.landing.Inspect(t.Context(), other); err != nil || !slices.Equal(arrivals(i), []string{"docker.io/library/app:1 same"}) {
		t.Errorf("%+v, %v", i, err)
	}
	layout := a.send(t, "layout.tar", ociArchive(t, f, f.Graph))
	if done := a.done(t, a.land(t, landing.Source{Upload: layout}, landing.Request{}).ID); done.Kind != upload.OCIArchive {
		t.Errorf("%+v", done)
	}
	a.whole(t, f)
	a.consumed(t, layout)
}

// An image without a name can be looked at and proven, and lands under the name that
// it is given.
func TestUnnamedArchive(t *testing.T) {
	t.Parallel()
	a := newAppliance(t, t.TempDir())
	s := landing.Source{Upload: a.send(t, "x.tar", dockerArchive(t, 2, 1000))}
	i, err := a.landing.Inspect(t.Context(), s)
	must(t, err)
	if !i.Unnamed || i.Refused == "" || i.Verdict != nil || i.New < 2000 || !slices.Equal(arrivals(i), []string{" new"}) {
		t.Errorf("%+v", i)
	}
	j, err := a.landing.Verify(t.Context(), s, "")
	must(t, err)
	a.await(t, j.ID, jobs.Done)
	for _, request := range []landing.Request{{}, {Name: "not a name"}} {
		if _, err := a.landing.Start(t.Context(), s, request, ""); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%+v: %v", request, err)
		}
	}
	a.free(t, s.Upload)
	if done := a.done(t, a.land(t, s, landing.Request{Name: "x/y:7"}).ID); !slices.Equal(done.Names, []string{"docker.io/x/y:7"}) {
		t.Errorf("%+v", done)
	}
	a.has(t, "x/y:7")
	// A bundle, and an image that has a name, take none.
	f := registrytest.NewFixture(t)
	for _, path := range []string{newBundle(t, f, bundle.CreateOptions{}), save(t, dockerArchive(t, 1, 10, "a:1"))} {
		if _, err := a.landing.Start(t.Context(), landing.Source{Path: path}, landing.Request{Name: "b:1"}, ""); !errors.Is(err, registry.ErrInvalid) {
			t.Error(err)
		}
	}
}

// An archive is judged like a push: where the policy takes none it is refused at once,
// and where a rule wants its images signed, they have to be.
func TestArchivePolicy(t *testing.T) {
	t.Parallel()
	k := generate(t)
	f := registrytest.NewFixture(t)
	ref, image := signedImage(t, f, k)
	archived := func(opts registry.WalkOptions) landing.Source {
		g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, opts)
		must(t, err)
		return landing.Source{Path: save(t, ociArchive(t, f, g))}
	}
	signed, unsigned := archived(registry.WalkOptions{}), archived(registry.WalkOptions{NoReferrers: true})
	a := newAppliance(t, t.TempDir())
	rule := "images:\n  - repositories: ['registry.example/**']\n    keys: [" + k.ID() + "]\n"
	refused := func(s landing.Source, request landing.Request) {
		t.Helper()
		if _, err := a.landing.Start(t.Context(), s, request, ""); !errors.Is(err, registry.ErrUntrusted) {
			t.Errorf("%s: %v, want it refused", s, err)
		}
	}
	a.trusts(t, k, rule+"pushes: refuse\n")
	refused(signed, landing.Request{})
	a.trusts(t, k, rule)
	refused(unsigned, landing.Request{})
	refused(signed, landing.Request{Keys: []string{string(k.Key.PEM())}}) // the archive itself nobody has signed
	if i, err := a.landing.Inspect(t.Context(), unsigned); err != nil || i.Refused == "" || i.Verdict != nil {
		t.Errorf("%+v, %v", i, err)
	}
	a.hasNothing(t)
	a.done(t, a.land(t, signed, landing.Request{}).ID)
	a.has(t, ref.String())
	if v, err := a.store.ImageVerdict(t.Context(), ref.Repository, image.Digest); err != nil || !v.Verified {
		t.Errorf("%+v, %v", v, err)
	}
}

// What is damaged becomes visible in no part, and the upload is let go.
func TestDamagedArchive(t *testing.T) {
	t.Parallel()
	a := newAppliance(t, t.TempDir())
	content := dockerArchive(t, 3, 5000, "app:1")
	content[7000] ^= 1
	s := landing.Source{Upload: a.send(t, "x.tar", content)}
	for _, request := range []landing.Request{{}, {Verify: true}} {
		if j := a.await(t, a.land(t, s, request).ID, jobs.Failed); j.Error.Kind != "digest" {
			t.Errorf("%+v", j.Error)
		}
		a.hasNothing(t)
		a.free(t, s.Upload)
	}
	j, err := a.landing.Verify(t.Context(), s, "")
	must(t, err)
	if j := a.await(t, j.ID, jobs.Failed); j.Error.Kind != "digest" {
		t.Errorf("%+v", j.Error)
	}
	for what, content := range map[string][]byte{"another tar": tarOf(t, file{"x", nil}), "text": []byte("text"), "cut off": content[:9000], "packed": []byte("\x1f\x8bxxxxxxxxx")} {
		if j, err := a.landing.Start(t.Context(), landing.Source{Path: save(t, content)}, landing.Request{}, ""); err == nil {
			t.Errorf("%s: %+v", what, j)
		}
	}
}

// An archive whose medium is taken out waits, and goes on when it is back.
func TestArchiveComesBack(t *testing.T) {
	t.Parallel()
	a := newAppliance(t, t.TempDir())
	content := dockerArchive(t, 3, 5000, "app:1")
	path := save(t, content)
	j := a.takenOut(t, landing.Source{Path: path}, landing.Request{})
	a.hasNothing(t)
	must(t, os.WriteFile(path, content, 0o600))
	a.done(t, j.ID)
	a.has(t, "app:1")
}
