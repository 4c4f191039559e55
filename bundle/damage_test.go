package bundle_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

// sample is the bytes of a small bundle.
func sample(t testing.TB) []byte {
	t.Helper()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "sample.bundle")
	write(t, path, f, f.Graph)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// refused opens and verifies damaged bytes, and imports them into a site; it
// returns what verify said. Neither may panic, and no name may become visible.
func refused(t *testing.T, content []byte) error {
	t.Helper()
	r, err := bundle.NewReader("damaged.bundle", bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return err
	}
	err = r.Verify(t.Context(), nil)
	site := &memory.Registry{}
	if importErr := bundle.Import(t.Context(), site, r, registry.CopyOptions{}); importErr != nil {
		for repository := range site.Repositories(t.Context(), "") {
			for tag := range site.Tags(t.Context(), repository, "") {
				t.Errorf("a damaged bundle made %s:%s visible", repository, tag)
			}
		}
	}
	return err
}

// isRefusal: what the command line turns into exit code 3.
func isRefusal(err error) bool {
	return errors.Is(err, bundle.ErrFormat) || errors.Is(err, registry.ErrDigest) || errors.Is(err, registry.ErrSize)
}

// Every single bit that is flipped is found, wherever it is.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	whole := sample(t)
	for i := 0; i < len(whole); i += 61 { // a step that meets every kind of region
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1 << (i % 8)
		err := refused(t, damaged)
		if err == nil {
			t.Fatalf("byte %d: a flipped bit went through", i)
		}
		if !isRefusal(err) || !strings.Contains(err.Error(), "damaged.bundle") {
			t.Fatalf("byte %d: %v: want a refusal that names the file", i, err)
		}
	}
}

// A bundle that ends anywhere early, or goes on, is refused.
func TestTruncated(t *testing.T) {
	t.Parallel()
	whole := sample(t)
	for n := 0; n < len(whole); n += 256 { // entry boundaries are multiples of 512
		err := refused(t, whole[:n])
		if !isRefusal(err) || !strings.Contains(err.Error(), "damaged.bundle") {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if err := refused(t, append(bytes.Clone(whole), make([]byte, 512)...)); !errors.Is(err, registry.ErrSize) {
		t.Errorf("512 bytes too many: %v, want ErrSize", err)
	}
}

func TestNotABundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "zeros": strings.Repeat("\x00", 10240),
		"a tar": "oci-layout" + strings.Repeat("\x00", 2000),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.Open(path); !isRefusal(err) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v: want a refusal that names the file", name, err)
		}
	}
	if _, err := bundle.Open(dir); !errors.Is(err, bundle.ErrFormat) {
		t.Errorf("a directory: %v, want ErrFormat", err)
	}
	if _, err := bundle.Open(filepath.Join(dir, "nosuch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// An import that meets damage keeps what was whole and shows no name; with a
// good copy it goes on from there.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	whole := sample(t)
	good, err := bundle.NewReader("good.bundle", bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	blobs := good.Header().Blobs
	damaged[blobs[len(blobs)-1].Offset] ^= 1
	bad, err := bundle.NewReader("bad.bundle", bytes.NewReader(damaged), int64(len(damaged)))
	if err != nil {
		t.Fatal(err)
	}
	site, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	if err := bundle.Import(t.Context(), site, bad, registry.CopyOptions{}); !errors.Is(err, registry.ErrDigest) {
		t.Fatalf("import of a damaged bundle: %v, want ErrDigest", err)
	}
	for repository := range site.Repositories(t.Context(), "") {
		t.Errorf("%s is visible", repository)
	}
	moved := 0
	count := func(e registry.Event) {
		if e.Kind == registry.Finished && !registry.IsManifest(e.Descriptor.MediaType) {
			moved++
		}
	}
	if err := bundle.Import(t.Context(), site, good, registry.CopyOptions{Progress: count}); err != nil {
		t.Fatal(err)
	}
	if moved == 0 || moved >= len(blobs) {
		t.Errorf("the second import moved %d of %d blobs, want only what the first did not keep", moved, len(blobs))
	}
}
