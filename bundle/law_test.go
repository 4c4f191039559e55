package bundle_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// write makes a bundle of a graph.
func write(t testing.TB, path string, src registry.Reader, g *registry.Graph) {
	t.Helper()
	w, err := bundle.Create(t.Context(), path, g, bundle.CreateOptions{Created: time.Unix(1_800_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := registry.Copy(t.Context(), w, src, g, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *bundle.Reader {
	t.Helper()
	r, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// A bundle holds exactly what went into it.
func TestReaderLaw(t *testing.T) {
	t.Parallel()
	registrytest.Readers(t, func(t *testing.T, f *registrytest.Fixture) registry.Reader {
		path := filepath.Join(t.TempDir(), "law.bundle")
		write(t, path, f, f.Graph)
		return open(t, path)
	})
}

// What a bundle is imported into holds it too.
func TestRoundTripLaw(t *testing.T) {
	t.Parallel()
	registrytest.Readers(t, func(t *testing.T, f *registrytest.Fixture) registry.Reader {
		path := filepath.Join(t.TempDir(), "law.bundle")
		write(t, path, f, f.Graph)
		site := &memory.Registry{}
		if err := bundle.Import(t.Context(), site, open(t, path), registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		return site
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "v.bundle")
	write(t, path, f, f.Graph)
	if err := open(t, path).Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
