package landing_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

// bytesOf is a bundle's file.
func bytesOf(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return content
}

// sendParts uploads a file in so many parts, and returns their ids.
func (a *appliance) sendParts(t testing.TB, name string, content []byte, parts int) (ids []string) {
	t.Helper()
	n := 1
	for part := range slices.Chunk(content, len(content)/parts+1) {
		ids = append(ids, a.send(t, fmt.Sprintf("%s.%03d", name, n), part))
		n++
	}
	return ids
}

// A file that was cut lands from its parts, where they lie: a bundle, and an archive.
func TestParts(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	content := bytesOf(t, newBundle(t, f, bundle.CreateOptions{}))
	parts := a.sendParts(t, "b.bundle", content, 4)
	if i, err := a.landing.Inspect(t.Context(), landing.Source{Upload: parts[2]}); err != nil || i.Size != int64(len(content)) || i.New == 0 {
		t.Errorf("%+v, %v", i, err)
	}
	a.done(t, a.land(t, landing.Source{Upload: parts[2]}, landing.Request{Attach: true}).ID)
	a.whole(t, f)
	a.consumed(t, parts...)
	parts = a.sendParts(t, "app.tar", dockerArchive(t, 2, 3000, "app:1"), 3)
	a.done(t, a.land(t, landing.Source{Upload: parts[0]}, landing.Request{}).ID)
	a.has(t, "app:1")
	a.consumed(t, parts...)
}

// Without all of its parts a file is refused, and the parts stay.
func TestMissingPart(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	content := bytesOf(t, newBundle(t, f, bundle.CreateOptions{}))
	for without, want := range map[int]error{0: registry.ErrIncomplete, 1: registry.ErrIncomplete, 3: registry.ErrSize} {
		name, last := fmt.Sprintf("without%d.bundle", without), ""
		n := 0
		for part := range slices.Chunk(content, len(content)/4+1) {
			if n++; n != without+1 {
				last = a.send(t, fmt.Sprintf("%s.%03d", name, n), part)
			}
		}
		if _, err := a.landing.Start(t.Context(), landing.Source{Upload: last}, landing.Request{}, ""); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		a.free(t, last)
	}
	a.hasNothing(t)
}

// A signature in a file of its own counts, from each place.
func TestDetachedSignature(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k, stranger := generate(t), generate(t)
	path := newBundle(t, f, bundle.CreateOptions{})
	good, err := bundle.SignDetached(path, k)
	must(t, err)
	bad, err := bundle.SignDetached(path, stranger)
	must(t, err)
	content := bytesOf(t, path)
	must(t, os.WriteFile(path+".sig", good, 0o600))
	places := map[string]func(a *appliance, sig []byte) landing.Source{
		"path": func(_ *appliance, sig []byte) landing.Source {
			return landing.Source{Path: path, Signatures: []string{save(t, sig)}}
		},
		"beside the path": func(_ *appliance, sig []byte) landing.Source {
			must(t, os.WriteFile(path+".sig", sig, 0o600))
			return landing.Source{Path: path, Signatures: []string{"b.bundle.sig"}}
		},
		"upload": func(a *appliance, sig []byte) landing.Source {
			return landing.Source{Upload: a.send(t, "b.bundle", content), Signatures: []string{a.send(t, "b.bundle.sig", sig)}}
		},
		"parts": func(a *appliance, sig []byte) landing.Source {
			return landing.Source{Upload: a.sendParts(t, "c.bundle", content, 2)[1], Signatures: []string{a.send(t, "c.bundle.sig", sig)}}
		},
		"drive": func(a *appliance, sig []byte) landing.Source {
			s := a.plug(t, "b.bundle", content)
			s.Signatures = []string{a.plug(t, "x", sig).File}
			return s
		},
		"beside it on the drive": func(a *appliance, sig []byte) landing.Source {
			a.plug(t, "b.bundle.sig", sig)
			a.plug(t, "b.bundle.sigstore.json", []byte("none"))
			return a.plug(t, "b.bundle", content)
		},
	}
	for where, put := range places {
		a := newAppliance(t, t.TempDir())
		a.trusts(t, k, "")
		s := put(a, bad)
		if _, err := a.landing.Start(t.Context(), s, landing.Request{}, ""); !errors.Is(err, registry.ErrUntrusted) {
			t.Errorf("%s: %v, want it refused", where, err)
		}
		a.hasNothing(t)
		s = put(a, good)
		if i, err := a.landing.Inspect(t.Context(), s); err != nil || len(i.Signatures) != 1 || i.Signatures[0].Owner != "somebody" || i.Verdict == nil {
			t.Errorf("%s: %+v, %v", where, i, err)
		}
		done := a.done(t, a.land(t, s, landing.Request{}).ID)
		if len(done.Verdict.Signers) != 1 {
			t.Errorf("%s: %+v", where, done)
		}
		a.whole(t, f)
		if s.Upload != "" {
			a.consumed(t, append(s.Signatures, s.Upload)...)
		}
	}
}

// A copy of the bundle that was seen elsewhere does not stand in for what somebody has
// asked to land, nor take its signature away; it does when that is gone.
func TestSeenElsewhere(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	k := generate(t)
	path := newBundle(t, f, bundle.CreateOptions{})
	sig, err := bundle.SignDetached(path, k)
	must(t, err)
	a := newAppliance(t, t.TempDir())
	a.trusts(t, k, "")
	r := open(t, path)
	id := r.Header().ID
	r.Close()
	seen := a.plug(t, "copy.bundle", bytesOf(t, path))
	must(t, a.landing.Returned(t.Context(), id, seen))
	s := landing.Source{Upload: a.send(t, "b.bundle", bytesOf(t, path)), Signatures: []string{a.send(t, "b.bundle.sig", sig)}}
	if done := a.done(t, a.land(t, s, landing.Request{}).ID); done.Source != s.String() {
		t.Errorf("%+v", done)
	}
	a.consumed(t, s.Upload, s.Signatures[0])
	j := a.takenOut(t, landing.Source{Path: path, Signatures: []string{save(t, sig)}}, landing.Request{})
	must(t, a.landing.Returned(t.Context(), id, seen))
	if done := a.done(t, j.ID); !strings.HasSuffix(done.Source, "copy.bundle on drive "+seen.Drive) || len(done.Verdict.Signers) != 1 {
		t.Errorf("%+v", done)
	}
}

// What cannot be a signature of a bundle is refused, and says so.
func TestNoSignature(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	a := newAppliance(t, t.TempDir())
	path := newBundle(t, f, bundle.CreateOptions{})
	other := newBundle(t, f, bundle.CreateOptions{Channel: "other"})
	k := generate(t)
	foreign, err := bundle.SignDetached(other, k)
	must(t, err)
	a.trusts(t, k, "unsigned: allow\n")
	for what, c := range map[string]struct {
		source landing.Source
		want   error
	}{
		"text":              {landing.Source{Path: path, Signatures: []string{save(t, []byte("text"))}}, registry.ErrInvalid},
		"not there":         {landing.Source{Path: path, Signatures: []string{"nosuch"}}, registry.ErrNotFound},
		"of another bundle": {landing.Source{Path: path, Signatures: []string{save(t, foreign)}}, registry.ErrUntrusted},
		"of an archive":     {landing.Source{Path: save(t, dockerArchive(t, 1, 1, "a:1")), Signatures: []string{save(t, foreign)}}, registry.ErrInvalid},
		"too many":          {landing.Source{Path: path, Signatures: make([]string, 17)}, registry.ErrInvalid},
		"no upload":         {landing.Source{Upload: a.send(t, "b.bundle", bytesOf(t, path)), Signatures: []string{"/etc/passwd"}}, registry.ErrNotFound},
	} {
		if _, err := a.landing.Start(t.Context(), c.source, landing.Request{}, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	a.hasNothing(t)
}

// While a job has an upload nobody else gets it; one that was cancelled before it ran
// has none any more.
func TestUploadsOfJobs(t *testing.T) {
	t.Parallel()
	a := newAppliance(t, t.TempDir())
	for range 2 {
		_, err := a.pool.Start(t.Context(), "blocker", nil, jobs.StartOptions{})
		must(t, err)
	}
	s := landing.Source{Upload: a.send(t, "x.tar", dockerArchive(t, 2, 1000))}
	j := a.land(t, s, landing.Request{Name: "one:1"})
	if u := a.upload(t, s.Upload); u.Job != j.ID {
		t.Errorf("%+v, want it with job %s", u, j.ID)
	}
	if again := a.land(t, s, landing.Request{Name: "one:1"}); again.ID != j.ID {
		t.Errorf("job %s, want the first, %s", again.ID, j.ID)
	}
	if _, err := a.landing.Start(t.Context(), s, landing.Request{Name: "two:1"}, ""); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want a conflict with the first job", err)
	}
	_, err := a.pool.Cancel(t.Context(), j.ID)
	must(t, err)
	j = a.land(t, s, landing.Request{Name: "two:1"})
	close(a.blocked)
	a.done(t, j.ID)
	a.has(t, "two:1")
	a.consumed(t, s.Upload)
	if list, err := a.pool.List(t.Context(), jobs.Filter{Kind: landing.Kind, Live: true}); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// Who asks twice with one key gets the one job, also when the upload is gone by then.
func TestAskedTwice(t *testing.T) {
	t.Parallel()
	a := newAppliance(t, t.TempDir())
	s := landing.Source{Upload: a.send(t, "x.tar", dockerArchive(t, 1, 10, "a:1"))}
	j, err := a.landing.Start(t.Context(), s, landing.Request{}, "key")
	must(t, err)
	a.done(t, j.ID)
	if again, err := a.landing.Start(t.Context(), s, landing.Request{}, "key"); err != nil || again.ID != j.ID {
		t.Errorf("%+v, %v", again, err)
	}
	if _, err := a.landing.Start(t.Context(), s, landing.Request{}, "another"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want the upload consumed", err)
	}
}
