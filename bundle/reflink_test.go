package bundle_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

// mount makes a small file system of a kind; the test is skipped where that
// cannot be.
func mount(t *testing.T, mkfs string, args ...string) string {
	t.Helper()
	fail := t.Skipf
	if os.Getenv("CI") == "true" {
		fail = t.Fatalf
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(600 << 20)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{append(append([]string{mkfs}, args...), image), {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			fail("this test needs root and %s: %v: %s", mkfs, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func used(t *testing.T, dir string) int64 {
	t.Helper()
	unix.Sync()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

// Where a file system can share blocks, a bundle that is on the store's lands
// without taking room, and is proven all the same.
func TestReflink(t *testing.T) {
	t.Parallel()
	for mkfs, args := range map[string][]string{"mkfs.xfs": {"-q"}, "mkfs.btrfs": {"-q"}} {
		t.Run(mkfs, func(t *testing.T) {
			t.Parallel()
			dir := mount(t, mkfs, args...)
			f := registrytest.NewFixture(t)
			const size = 64<<20 + 77
			ref := registry.Ref{Repository: registrytest.App, Tag: "large"}
			f.AddImage(ref, "application/vnd.oci.image.manifest.v1+json", nil, f.AddBlob(registrytest.App, size))
			g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "b")
			write(t, path, f, g)
			s, err := store.Open(t.Context(), filepath.Join(dir, "data"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			before := used(t, dir)
			if err := land(t, s, path); err != nil {
				t.Fatal(err)
			}
			if more := used(t, dir) - before; more > size/4 {
				t.Errorf("%d bytes more are used for %d of content", more, size)
			}
			holds(t, s, g)
			other, err := store.Open(t.Context(), filepath.Join(dir, "other"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			r := open(t, path)
			if _, err := bundle.Land(t.Context(), other, other, r, bundle.LandOptions{Verify: true}); err != nil {
				t.Fatal(err)
			}
			holds(t, other, g)
			changedSince(t, filepath.Join(dir, "third"), path, r)
			report, err := s.Scrub(t.Context(), store.ScrubOptions{Fresh: true})
			if err != nil || len(report.Damaged) != 0 {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

// changedSince: what was proven counts no more when the file has changed.
func changedSince(t *testing.T, dir, path string, r *bundle.Reader) {
	t.Helper()
	b := slices.MaxFunc(r.Header().Blobs, func(a, b bundle.Blob) int { return int(a.Size - b.Size) })
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("changed"), b.Offset+1000)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := bundle.Land(t.Context(), s, s, r, bundle.LandOptions{}); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("a file that was changed since it was proven: %v", err)
	}
}
