package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

var created = bundle.CreateOptions{Created: time.Unix(1_800_000_000, 0)}

// counted reads from a fixture, counts blobs, and breaks when it is told to.
type counted struct {
	registry.Reader
	blobs  atomic.Int64
	broken int64 // fail from this blob on; 0: never
}

var errCut = errors.New("cut")

func (c *counted) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	if n := c.blobs.Add(1); c.broken > 0 && n >= c.broken {
		return nil, errCut
	}
	return c.Reader.Blob(ctx, repository, d)
}

// An interrupted create fetches only what is not yet whole in the file, and
// ends with the bytes that an uninterrupted one makes.
func TestCreateGoesOn(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	straight, resumed := filepath.Join(dir, "straight"), filepath.Join(dir, "resumed")
	write(t, straight, f, f.Graph)
	first := &counted{Reader: f, broken: 5}
	_, err := bundle.Export(t.Context(), resumed, first, f.Graph, created, registry.CopyOptions{Jobs: 1})
	if !errors.Is(err, errCut) {
		t.Fatalf("the first run: %v, want the cut", err)
	}
	if _, err := os.Stat(resumed); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("half a bundle has its name: %v", err)
	}
	second := &counted{Reader: f}
	// A later clock: the first run's time of creation stays.
	if _, err := bundle.Export(t.Context(), resumed, second, f.Graph, bundle.CreateOptions{}, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := int64(len(f.Graph.Blobs)) - 4; second.blobs.Load() > want {
		t.Errorf("the second run fetched %d blobs, at most %d were missing", second.blobs.Load(), want)
	}
	same(t, straight, resumed)
	onlyFiles(t, dir, "resumed", "straight")
}

// A bundle for other names takes over what the earlier file holds.
func TestCreateSalvages(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	path, direct := filepath.Join(dir, "b"), filepath.Join(dir, "direct")
	write(t, path, f, f.Graph)
	tool, err := registry.Walk(t.Context(), f, f.Names[1:], registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, direct, f, tool)
	src := &counted{Reader: f}
	if _, err := bundle.Export(t.Context(), path, src, tool, created, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := src.blobs.Load(); n != 0 {
		t.Errorf("%d blobs were fetched though the file had them all", n)
	}
	same(t, direct, path)
	// The same from a partial file.
	if _, err := bundle.Export(t.Context(), filepath.Join(dir, "p"), &counted{Reader: f, broken: 5}, f.Graph, created, registry.CopyOptions{Jobs: 1}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if _, err := bundle.Export(t.Context(), filepath.Join(dir, "p"), src, tool, created, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, direct, filepath.Join(dir, "p"))
	onlyFiles(t, dir, "b", "direct", "p")
}

// Changing the list and back again loses nothing of either.
func TestCreateThereAndBack(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	tool, err := registry.Walk(t.Context(), f, f.Names[1:], registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range []struct {
		graph  *registry.Graph
		broken int64
	}{{f.Graph, 6}, {tool, 1}} {
		src := &counted{Reader: f, broken: run.broken}
		if _, err := bundle.Export(t.Context(), path, src, run.graph, created, registry.CopyOptions{Jobs: 1}); !errors.Is(err, errCut) {
			t.Fatalf("%v, want the cut", err)
		}
	}
	back := &counted{Reader: f}
	if _, err := bundle.Export(t.Context(), path, back, f.Graph, created, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if n, missing := back.blobs.Load(), int64(len(f.Graph.Blobs)-5); n > missing {
		t.Errorf("%d blobs were fetched, %d were missing", n, missing)
	}
	onlyFiles(t, filepath.Dir(path), "b")
}

// A run that is stopped before it has begun keeps what an earlier run fetched.
func TestCreateStoppedEarlyKeepsPartial(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	if _, err := bundle.Export(t.Context(), path, &counted{Reader: f, broken: 9}, f.Graph, created, registry.CopyOptions{Jobs: 1}); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := bundle.Export(stopped, path, f, f.Graph, created, registry.CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want context.Canceled", err)
	}
	onlyFiles(t, filepath.Dir(path), "b.partial")
}

// Content that no bundle can hold is refused before anything is fetched.
func TestCreateRefusesAbsurdSizes(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	f.Graph.Blobs[0].Descriptor.Size = 1 << 62
	_, err := bundle.Create(t.Context(), path, f.Graph, created)
	if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), f.Graph.Blobs[0].Descriptor.Digest.String()) {
		t.Errorf("%v, want ErrInvalid that names the digest", err)
	}
	onlyFiles(t, filepath.Dir(path))
}

// Damage in a partial file is mended, not carried on.
func TestCreateMendsPartial(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	straight, path := filepath.Join(dir, "straight"), filepath.Join(dir, "b")
	write(t, straight, f, f.Graph)
	content, err := os.ReadFile(straight)
	if err != nil {
		t.Fatal(err)
	}
	for i := 20_000; i < len(content); i += 5_000 {
		content[i] ^= 1
	}
	if err := os.WriteFile(path+".partial", content[:len(content)-3000], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, created, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	same(t, straight, path)
}

func TestCreateRefusesToFinishIncomplete(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b")
	w, err := bundle.Create(t.Context(), path, f.Graph, created)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Finish(); !errors.Is(err, registry.ErrIncomplete) {
		t.Errorf("Finish: %v, want ErrIncomplete", err)
	}
	if _, err := bundle.Create(t.Context(), path, f.Graph, created); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("a second writer: %v, want ErrConflict", err)
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s holds %q, want %q", dir, names, want)
	}
}
