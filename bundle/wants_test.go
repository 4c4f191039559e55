package bundle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

func wants() *bundle.Wants {
	return &bundle.Wants{Bundle: strings.Repeat("0a", 16), Format: 1, Platforms: []string{"linux/arm64"}, Site: strings.Repeat("1b", 16), Wants: []bundle.Want{
		{Digest: "sha256:" + digest.Digest(strings.Repeat("1", 64)), Kind: bundle.WantBlob, Repositories: []string{"a.example/b", "c.example/d"}, Size: 7},
		{Digest: "sha256:" + digest.Digest(strings.Repeat("2", 64)), Kind: bundle.WantManifest, Repositories: []string{"a.example/b"}},
	}}
}

func TestParseWants(t *testing.T) {
	t.Parallel()
	content, err := wants().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := bundle.ParseWants("w", content)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wants(), got); diff != "" {
		t.Error(diff)
	}
	for want, change := range map[string]func(*bundle.Wants){
		"format version 2":         func(w *bundle.Wants) { w.Format = 2 },
		"is not an id":             func(w *bundle.Wants) { w.Bundle = "../x" },
		"it wants nothing":         func(w *bundle.Wants) { w.Wants = nil },
		"wants[0]: size -1":        func(w *bundle.Wants) { w.Wants[0].Size = -1 },
		"wants[1]: size 1":         func(w *bundle.Wants) { w.Wants[1].Size = 1 },
		"wants[0]: kind \"x\"":     func(w *bundle.Wants) { w.Wants[0].Kind = "x" },
		"wants[1]: out of order":   func(w *bundle.Wants) { w.Wants[1].Digest = w.Wants[0].Digest },
		"repositories are missing": func(w *bundle.Wants) { w.Wants[0].Repositories = nil },
		"repository \"A\"":         func(w *bundle.Wants) { w.Wants[1].Repositories = []string{"A"} },
		"platform":                 func(w *bundle.Wants) { w.Platforms = []string{"linux"} },
	} {
		w := wants()
		change(w)
		content, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.ParseWants("w.json", content); !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "w.json: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// What is wanted and does not exist is named.
func TestWantsOfNothing(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	w := wants()
	w.Wants = w.Wants[1:]
	if _, err := w.Find(t.Context(), f, registry.WalkOptions{}); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), w.Wants[0].Digest.String()) {
		t.Errorf("a manifest: %v", err)
	}
	w = wants()
	w.Wants = w.Wants[:1]
	g, err := w.Find(t.Context(), f, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bundle.Export(t.Context(), t.TempDir()+"/b", f, g, created, registry.CopyOptions{})
	if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), w.Wants[0].Digest.String()) {
		t.Errorf("a blob: %v", err)
	}
}

func FuzzWants(f *testing.F) {
	content, err := wants().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Fuzz(func(t *testing.T, content []byte) {
		w, err := bundle.ParseWants("w", content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		once, err := w.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := bundle.ParseWants("w", once)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := again.Marshal()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
	})
}
