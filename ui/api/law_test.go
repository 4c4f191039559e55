package api_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/backup"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
)

// A site is managed in the same way whether its store is open here or an
// appliance has it.
func TestLaw(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *place) api.Site{
		"store":  func(_ *testing.T, p *place) api.Site { return p.store },
		"client": func(t *testing.T, p *place) api.Site { return newClient(t, api.ClientOptions{Server: p.server.URL}) },
	} {
		for law, check := range map[string]func(*testing.T, *place, api.Site){
			"scrub": lawScrub, "collect": lawCollect, "pins": lawPins, "policy": lawPolicy, "backup": lawBackup, "watch": lawWatch,
		} {
			t.Run(name+"/"+law, func(t *testing.T) {
				t.Parallel()
				p := newPlace(t)
				check(t, p, open(t, p))
			})
		}
	}
}

func must[V any](t *testing.T, v V, err error) V {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

var app = registry.Ref{Repository: registrytest.App, Tag: "v1"}

func lawScrub(t *testing.T, p *place, s api.Site) {
	done, err := s.Scrub(t.Context(), store.ScrubOptions{})
	if must(t, done, err); done.Blobs != 12 || len(done.Damaged) != 0 || done.Damaged == nil || done.Finished.IsZero() {
		t.Errorf("%+v", done)
	}
	p.damage(p.Layer.Digest)
	var found []store.Damage
	done, err = s.Scrub(t.Context(), store.ScrubOptions{Fresh: true, Found: func(d store.Damage) { found = append(found, d) }})
	must(t, done, err)
	if len(found) != 1 || len(done.Damaged) != 1 || done.Damaged[0].Digest != p.Layer.Digest || found[0].Digest != p.Layer.Digest || len(found[0].Breaks) != 2 {
		t.Errorf("%+v, told of %+v", done, found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Scrub(ctx, store.ScrubOptions{})
	wantError(t, err, context.Canceled)
}

func lawCollect(t *testing.T, p *place, s api.Site) {
	if err := p.store.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	why, err := s.Why(t.Context(), p.Index.Digest)
	if must(t, why, err); len(why.Roots) != 0 || why.Roots == nil || why.Kind != "manifest" {
		t.Errorf("%+v", why)
	}
	var kept []store.Kept
	dry, err := s.Collect(t.Context(), store.CollectOptions{DryRun: true, Kept: func(k store.Kept) { kept = append(kept, k) }})
	if must(t, dry, err); !dry.DryRun || dry.Manifests != 4 || len(kept) != 2 {
		t.Errorf("%+v, kept %+v", dry, kept)
	}
	done, err := s.Collect(t.Context(), store.CollectOptions{})
	if must(t, done, err); done.DryRun || done.Manifests != 4 || done.Blobs != dry.Blobs || done.Bytes != dry.Bytes || done.Trash.Next.IsZero() {
		t.Errorf("%+v, the dry run said %+v", done, dry)
	}
	if r := must(t, first(s.Undo(t.Context())), nil); r.Manifests != 4 || r.Blobs != done.Blobs {
		t.Errorf("%+v", r)
	}
	done, err = s.Collect(t.Context(), store.CollectOptions{Now: true})
	if must(t, done, err); done.Erased.Manifests != 4 || done.Erased.Bytes != done.Bytes {
		t.Errorf("%+v", done)
	}
	_, err = s.Why(t.Context(), p.Index.Digest)
	wantError(t, err, registry.ErrNotFound)
}

// first drops an error that the next check would show.
func first[V any](v V, _ error) V { return v }

func lawPins(t *testing.T, p *place, s api.Site) {
	if list := must(t, first(s.Pins(t.Context())), nil); list == nil || len(list) != 0 {
		t.Errorf("%+v", list)
	}
	pin, err := s.Pin(t.Context(), app, "op", "because")
	must(t, pin, err)
	if list := must(t, first(s.Pins(t.Context())), nil); len(list) != 1 || list[0] != pin || pin.Digest != p.Index.Digest || pin.Created.IsZero() {
		t.Errorf("%+v, pinned %+v", list, pin)
	}
	wantError(t, p.store.Delete(t.Context(), app), registry.ErrConflict)
	wantError(t, s.Unpin(t.Context(), app, "another"), registry.ErrNotFound)
	if err := s.Unpin(t.Context(), app, "op"); err != nil {
		t.Error(err)
	}
	_, err = s.Pin(t.Context(), app, "op", "")
	wantError(t, err, registry.ErrInvalid)
	_, err = s.Pin(t.Context(), registry.Ref{Repository: "nosuch", Tag: "a"}, "op", "because")
	wantError(t, err, registry.ErrNotFound)
}

func lawPolicy(t *testing.T, _ *place, s api.Site) {
	policy := func(want string) {
		t.Helper()
		if got := must(t, first(s.Policy(t.Context())), nil); string(got) != want || got == nil {
			t.Errorf("%q, want %q", got, want)
		}
	}
	const text = "version: 1\nrules: # <&>\n  - repositories: [\"registry.example/**\"]\n    keep: {tags: [\"v1\", \"sha256-.*\"]}\n"
	policy("")
	if err := s.SetPolicy(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
	policy(text)
	err := s.SetPolicy(t.Context(), []byte("version: 2\n"))
	wantError(t, err, registry.ErrInvalid)
	if !strings.HasPrefix(err.Error(), "policy: line 1, column 10: version") {
		t.Error(err)
	}
	policy(text)
	for _, c := range []struct {
		opts    store.RetainOptions
		removed int64
	}{
		{store.RetainOptions{DryRun: true, Policy: []byte{}}, 0}, // not the one in force
		{store.RetainOptions{DryRun: true}, 1},
		{store.RetainOptions{}, 1},
		{store.RetainOptions{}, 0},
	} {
		r, err := s.Retain(t.Context(), c.opts)
		if must(t, r, err); r.Removed != c.removed || r.DryRun != c.opts.DryRun {
			t.Errorf("%+v: %+v", c.opts, r)
		}
	}
	_, err = s.Retain(t.Context(), store.RetainOptions{Policy: []byte(text)})
	wantError(t, err, registry.ErrInvalid)
	if err := s.SetPolicy(t.Context(), []byte{}); err != nil {
		t.Fatal(err)
	}
	policy("")
}

func lawBackup(t *testing.T, p *place, s api.Site) {
	dir := t.TempDir()
	for _, moved := range []int64{75_000, 0} {
		b, err := backup.Make(t.Context(), s, dir)
		if must(t, b, err); b.Blobs != 12 || b.Moved < moved || moved == 0 && b.Moved != 0 || len(b.Damaged) != 0 {
			t.Errorf("%+v", b)
		}
	}
	p.damage(p.Layer.Digest)
	r := must(t, first(s.BlobBytes(t.Context(), p.Layer.Digest)), nil)
	_, err := io.Copy(io.Discard, r)
	r.Close()
	wantError(t, err, registry.ErrDigest)
	_, err = s.BlobBytes(t.Context(), p.Layer.Digest)
	wantError(t, err, registry.ErrNotFound) // in quarantine now
	b, err := backup.Make(t.Context(), s, t.TempDir())
	if must(t, b, err); b.Blobs != 12 || len(b.Damaged) != 1 || b.Damaged[0].Digest != p.Layer.Digest {
		t.Errorf("%+v", b)
	}
	_, err = s.BlobBytes(t.Context(), nothing)
	wantError(t, err, registry.ErrNotFound)
	restored := t.TempDir()
	got, err := backup.Restore(t.Context(), dir, restored, backup.RestoreOptions{})
	if must(t, got, err); got.Blobs != 12 || len(got.Damaged) != 0 {
		t.Errorf("%+v", got)
	}
}

func lawWatch(t *testing.T, _ *place, s api.Site) {
	stats, err := s.Stats(t.Context())
	if must(t, stats, err); stats.Blobs != 12 || stats.Manifests != 6 || stats.Tags != 3 || stats.FreeBytes == 0 || !stats.Scrub.Started.IsZero() {
		t.Errorf("%+v", stats)
	}
	must(t, first(s.Scrub(t.Context(), store.ScrubOptions{})), nil)
	stats, err = s.Stats(t.Context())
	if must(t, stats, err); stats.Scrub.Bytes != stats.Scrub.TotalBytes || stats.Scrub.Blobs != 12 || stats.Scrub.Running {
		t.Errorf("%+v", stats.Scrub)
	}
	list, err := s.Examine(t.Context())
	if must(t, list, err); len(list) == 0 {
		t.Error("the doctor says nothing")
	}
	for _, f := range list {
		if f.Level == store.LevelError || f.What == "" || f.Is == "" {
			t.Errorf("%+v", f)
		}
	}
}
