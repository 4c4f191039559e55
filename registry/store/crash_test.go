package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

// crash copies the data folder of an open store as a crash would leave it:
// no end, the lock let go.
func crash(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func blobFile(dir string, d digest.Digest) string {
	return filepath.Join(dir, "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded())
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Whatever is acknowledged before a crash is there after it, and start-up
// leaves nothing half-done.
func TestCrash(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	s := open(t, dir)
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	// A blob that stops in the middle.
	broken := io.MultiReader(bytes.NewReader(make([]byte, 100)), iotest.ErrReader(errors.New("pulled out")))
	if err := s.PutBlob(t.Context(), "a/b", registry.Descriptor{Digest: digest.FromString("x"), Size: 200}, broken); err == nil {
		t.Fatal("half a blob was accepted")
	}
	if left := files(t, filepath.Join(dir, "incoming")); len(left) > 0 {
		t.Errorf("incoming holds %q after a failure", left)
	}
	after := crash(t, dir)
	if err := os.WriteFile(filepath.Join(after, "incoming", "blob-123"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	again := open(t, after)
	if left := files(t, filepath.Join(after, "incoming")); len(left) > 0 {
		t.Errorf("incoming holds %q after the start", left)
	}
	for _, b := range f.Graph.Blobs {
		for _, repository := range b.Repositories {
			if content, err := registry.ReadBlob(t.Context(), again, repository, b.Descriptor); err != nil || !bytes.Equal(content, f.Content[b.Descriptor.Digest]) {
				t.Errorf("%s@%s: %v", repository, b.Descriptor.Digest, err)
			}
		}
	}
}

// A blob whose row a power cut took back is found again, not moved again.
func TestAdoptsBlobs(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	open(t, dir)
	after := crash(t, dir) // the unclean end, then the file without a row
	if err := os.WriteFile(blobFile(after, f.Layer.Digest), f.Content[f.Layer.Digest], 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, after)
	if ok, err := s.Mount(t.Context(), registrytest.App, "", f.Layer); !ok || err != nil {
		t.Errorf("Mount of the adopted blob: %v, %v", ok, err)
	}
}

// A file that is missing or of a wrong size does not exist, whoever asks, and
// the next copy mends it.
func TestHealsBrokenFiles(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	for what, damage := range map[string]func(path string) error{
		"missing": os.Remove,
		"short":   func(path string) error { return os.Truncate(path, 10) },
		"long":    func(path string) error { return os.Truncate(path, f.Layer.Size+1) },
	} {
		dir := t.TempDir()
		s := open(t, dir)
		if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := damage(blobFile(dir, f.Layer.Digest)); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.Exists(t.Context(), registrytest.App, f.Layer); ok || err != nil {
			t.Errorf("%s: exists %v, %v", what, ok, err)
		}
		if _, _, err := s.OpenBlob(t.Context(), registrytest.App, f.Layer.Digest); !errors.Is(err, registry.ErrNotFound) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: OpenBlob: %v, want ErrNotFound without a local path", what, err)
		}
		if err := s.PutManifest(t.Context(), f.Names[1], f.Tool, f.Content[f.Tool.Digest]); !errors.Is(err, registry.ErrIncomplete) {
			t.Errorf("%s: a manifest over it: %v, want ErrIncomplete", what, err)
		}
		if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		if content, err := registry.ReadBlob(t.Context(), s, registrytest.Tool, f.Layer); err != nil || !bytes.Equal(content, f.Content[f.Layer.Digest]) {
			t.Errorf("%s: not mended: %v", what, err)
		}
	}
}

// Flipped bytes of the right size are never read as good.
func TestNeverReturnsFlippedBytes(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	dir := t.TempDir()
	s := open(t, dir)
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(f.Content[f.Layer.Digest])
	flipped[7] ^= 1
	if err := os.WriteFile(blobFile(dir, f.Layer.Digest), flipped, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.ReadBlob(t.Context(), s, registrytest.App, f.Layer); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("%v, want ErrDigest", err)
	}
}

// An upload goes on in the next process where the last one ended.
func TestUploadSurvivesRestart(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("landfall"), 100_000)
	want := digest.FromBytes(content)
	dir := t.TempDir()
	s := open(t, dir)
	u, err := s.StartUpload(t.Context(), "team/app", digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	half := int64(len(content) / 2)
	if _, err := u.Append(t.Context(), 0, bytes.NewReader(content[:half])); err != nil {
		t.Fatal(err)
	}
	var offset *store.OffsetError
	if _, err := u.Append(t.Context(), 5, bytes.NewReader(content)); !errors.As(err, &offset) || offset.Size != half {
		t.Errorf("a piece that does not fit: %v, want an OffsetError with %d", err, half)
	}
	again := open(t, crash(t, dir))
	u, err = again.Upload(t.Context(), "team/app", u.ID())
	if err != nil || u.Size() != half {
		t.Fatalf("after the restart: %d bytes, %v; want %d", u.Size(), err, half)
	}
	if _, err := again.Upload(t.Context(), "other/app", u.ID()); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the session in another repository: %v, want ErrNotFound", err)
	}
	if _, err := u.Append(t.Context(), half, bytes.NewReader(content[half:])); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Commit(t.Context(), digest.FromString("other")); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("Commit as something else: %v, want ErrDigest", err)
	}
	if _, err := u.Commit(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if size, err := again.StatBlob(t.Context(), "team/app", want); err != nil || size != int64(len(content)) {
		t.Errorf("the blob: %d bytes, %v", size, err)
	}
}

// A session that rests too long is removed with its file.
func TestUploadExpires(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u, err := open(t, dir).StartUpload(t.Context(), "team/app", digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	after := crash(t, dir)
	s, err := store.Open(t.Context(), after, store.Options{UploadExpiry: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Upload(t.Context(), "team/app", u.ID()); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the session: %v, want ErrNotFound", err)
	}
	if left := files(t, filepath.Join(after, "uploads")); len(left) > 0 {
		t.Errorf("uploads holds %q", left)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	_, err := store.Open(t.Context(), dir, store.Options{})
	var inUse *store.InUseError
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() || !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want an InUseError with this process's id", err)
	}
}

// Readers of a tag that moves see one of its manifests, at last the last.
func TestTagMovesUnderReaders(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	s := open(t, t.TempDir())
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	moves := []registry.Descriptor{f.Images["amd64"], f.Images["arm64"]}
	ref := f.Names[0]
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, content, err := s.Manifest(t.Context(), ref)
				if err != nil || digest.FromBytes(content) != d.Digest {
					t.Errorf("%s: %v", d.Digest, err)
					return
				}
			}
		})
	}
	for i := range 100 {
		m := moves[i%2]
		if err := s.PutManifest(t.Context(), ref, m, f.Content[m.Digest]); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Resolve(t.Context(), ref); err != nil || d.Digest != m.Digest {
			t.Fatalf("after the move to %s: %s, %v", m.Digest, d.Digest, err)
		}
	}
	close(stop)
	readers.Wait()
}

// Names keep how they were first called, and deleting a blob that is needed is
// a conflict.
func TestNamesAndConflicts(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	s := open(t, t.TempDir())
	ref := registry.Ref{Repository: "registry:5000/team/app", Tag: "v1"}
	blobs := f.Graph.Blobs
	for _, b := range blobs {
		if err := s.PutBlob(t.Context(), ref.Repository, b.Descriptor, bytes.NewReader(f.Content[b.Descriptor.Digest])); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutManifest(t.Context(), ref, f.Tool, f.Content[f.Tool.Digest]); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range s.Repositories(t.Context(), "") {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{ref.Repository}) {
		t.Errorf("repositories %q, want the original name", names)
	}
	if _, err := s.Resolve(t.Context(), registry.Ref{Repository: "registry_5000/team/app", Tag: "v1"}); err != nil {
		t.Errorf("by its path: %v", err)
	}
	if err := s.DeleteBlob(t.Context(), ref.Repository, f.Layer.Digest); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("DeleteBlob of a layer in use: %v, want ErrConflict", err)
	}
}

// A client that leaves during the last step neither stops it nor gets hold of
// the blob's file.
func TestCommitOutlivesItsClient(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	content := []byte("landfall")
	u, err := s.StartUpload(t.Context(), "team/app", digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Append(t.Context(), 0, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := u.Commit(gone, digest.FromBytes(content)); err != nil {
		t.Errorf("Commit: %v", err)
	}
	if _, err := u.Append(t.Context(), int64(len(content)), strings.NewReader("more")); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("Append after the end: %v, want ErrNotFound", err)
	}
	if size, err := s.StatBlob(t.Context(), "team/app", digest.FromBytes(content)); err != nil || size != int64(len(content)) {
		t.Errorf("the blob: %d bytes, %v", size, err)
	}
}

// Closing a store while sessions end is no deadlock.
func TestCloseWhileCommitting(t *testing.T) {
	t.Parallel()
	for range 20 {
		s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var commits sync.WaitGroup
		for i := range 8 {
			content := bytes.Repeat([]byte{byte(i)}, 1000)
			u, err := s.StartUpload(t.Context(), "team/app", digest.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := u.Append(t.Context(), 0, bytes.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			commits.Go(func() { _, _ = u.Commit(t.Context(), digest.FromBytes(content)) })
		}
		_ = s.Close()
		commits.Wait()
	}
}

// A manifest that states another size for a layer than it has is refused.
func TestRefusesLyingSizes(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	s := open(t, t.TempDir())
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	content := bytes.Replace(f.Content[f.Tool.Digest], []byte(`"size":70000`), []byte(`"size":70007`), 1)
	d := registry.Describe(f.Tool.MediaType, content, digest.SHA256)
	if err := s.PutManifest(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "lie"}, d, content); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
}

// A name whose manifest is deleted before the batch is committed does not
// appear without it.
func TestBatchAgainstDelete(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	s := open(t, t.TempDir())
	batch, err := s.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	ref := registry.Ref{Repository: registrytest.Tool, Tag: "late"}
	if err := batch.PutManifest(t.Context(), ref, f.Tool, f.Content[f.Tool.Digest]); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), ref.ByDigest(f.Tool.Digest)); err != nil {
		t.Fatal(err)
	}
	if err := batch.Commit(t.Context()); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("Commit: %v, want ErrConflict", err)
	}
	if _, err := s.Resolve(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the name: %v, want ErrNotFound", err)
	}
}
