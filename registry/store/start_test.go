package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/registry"
)

// copyStore copies the data folder of a store as a crash would leave it.
func (k *kit) copyStore() string {
	k.t.Helper()
	to := filepath.Join(k.t.TempDir(), "copy")
	k.must(os.CopyFS(to, os.DirFS(string(k.folder))))
	return to
}

func replaceFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A database that was replaced by an older copy gets its files back: they are
// known, nobody's, and erased in time.
func TestOlderDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKit(t, dir, noLease)
	k.image(ref("a", "v1"), nil, "config")
	k.must(k.Close())
	old := filepath.Join(t.TempDir(), "old.db")
	replaceFile(t, k.path(Database), old)
	k = openKit(t, dir, noLease)
	k.blob("a", "fresh") // no manifest: nothing that has to be durable
	k.must(k.Close())
	replaceFile(t, old, k.path(Database))
	k = openKit(t, dir, noLease)
	k.intact()
	if k.hasBlob("a", "fresh") {
		t.Error("a blob is in a repository that does not know it")
	}
	if ok, err := k.Mount(t.Context(), "b", "", layerOf("fresh")); !ok || err != nil {
		t.Errorf("mounting what was found: %v, %v", ok, err)
	}
	k.collect(CollectOptions{Now: true})
	k.intact()
	if have := k.blobFiles(); !slices.Equal(have, []string{digest.FromString("config").String()}) {
		t.Errorf("files %q, want the config only", have)
	}
}

// Blobs that were replaced by an older copy are damage, listed with what it
// breaks; after a clean end nothing is compared.
func TestOlderBlobs(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	k.image(ref("a", "v1"), nil, "config", "layer")
	crashed := k.copyStore()
	k.must(os.Remove(Folder(crashed).Blob(digest.FromString("layer"))))
	again := openKit(t, crashed, Options{})
	list, err := again.Damaged(t.Context())
	if err != nil || len(list) != 1 || !slices.Equal(list[0].Breaks, []string{"a:v1"}) {
		t.Errorf("damaged %+v, %v; want the layer, which breaks a:v1", list, err)
	}
	again.must(again.Close())
	again.must(os.Remove(Folder(crashed).Blob(digest.FromString("config"))))
	if _, err := os.Stat(filepath.Join(crashed, closedFile)); err != nil {
		t.Fatal(err)
	}
	again = openKit(t, crashed, Options{})
	if n := again.damaged.Load(); n != 1 {
		t.Errorf("%d damaged after a clean end, want the one from before", n)
	}
	if _, err := os.Stat(filepath.Join(crashed, closedFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an open store is marked as closed: %v", err)
	}
}

// begin starts an upload and appends a text.
func (k *kit) begin(algorithm digest.Algorithm, text string) *Upload {
	k.t.Helper()
	u, err := k.StartUpload(k.t.Context(), "a", algorithm)
	k.must(err)
	_, err = u.Append(k.t.Context(), 0, strings.NewReader(text))
	k.must(err)
	return u
}

// resumeAt finds an upload after a restart and proves how far it is.
func (k *kit) resumeAt(id string, size int64) *Upload {
	k.t.Helper()
	u, err := k.Upload(k.t.Context(), "a", id)
	k.must(err)
	if u.Size() != size {
		k.t.Fatalf("the upload goes on at %d, want %d", u.Size(), size)
	}
	return u
}

// An upload goes on where it was written, with the hash that it had: what came
// before is not read again. With another hash at the end it is.
func TestUploadGoesOnUnread(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		for _, commit := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			k := newKit(t, Options{})
			u := k.begin(algorithm, "first ")
			dir := k.copyStore()
			k.must(os.WriteFile(filepath.Join(dir, uploadsDir, u.ID()), []byte("FIRST "), 0o644))
			again := openKit(t, dir, Options{})
			resumed := again.resumeAt(u.ID(), 6)
			_, err := resumed.Append(t.Context(), 6, strings.NewReader("second"))
			again.must(err)
			want := "first second"
			if commit != algorithm {
				want = "FIRST second" // as it is on the disk
			}
			if _, err := resumed.Commit(t.Context(), commit.FromString("nonsense")); !errors.Is(err, registry.ErrDigest) {
				t.Errorf("Commit as something else: %v, want ErrDigest", err)
			}
			_, err = resumed.Commit(t.Context(), commit.FromString(want))
			again.must(err)
		}
	}
}

// After the machine was restarted only what was synced counts; a file that is
// shorter than it should be begins anew.
func TestUploadAfterBoot(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	u := k.begin(digest.SHA256, "first ")
	k.must(u.save(true))
	_, err := u.Append(t.Context(), 6, strings.NewReader("second"))
	k.must(err)
	k.exec(`UPDATE uploads SET boot = 'another'`)
	again := openKit(t, k.copyStore(), Options{})
	resumed := again.resumeAt(u.ID(), 6)
	_, err = resumed.Append(t.Context(), 6, strings.NewReader("other"))
	again.must(err)
	_, err = resumed.Commit(t.Context(), digest.FromString("first other"))
	again.must(err)
	dir := k.copyStore()
	k.must(os.Truncate(filepath.Join(dir, uploadsDir, u.ID()), 3))
	openKit(t, dir, Options{}).resumeAt(u.ID(), 0)
}

// A clean end keeps all of an upload, and what rests too long is removed with
// its row.
func TestUploadEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := openKit(t, dir, Options{})
	u := k.begin(digest.SHA256, "first ")
	k.must(k.Close())
	k = openKit(t, dir, Options{})
	k.resumeAt(u.ID(), 6)
	k.must(k.Close())
	k = openKit(t, dir, Options{UploadExpiry: 1})
	if n := k.number(`SELECT count(*) FROM uploads`); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

// Close waits for what Open began; a comparison that it ends is done by the
// next start.
func TestCloseEndsTheComparison(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	k.blob("a", "config")
	dir := k.copyStore()
	s, err := Open(t.Context(), dir, Options{})
	k.must(err)
	s.stop()
	k.must(s.Close())
	select {
	case <-s.recounted:
	default:
		t.Error("the comparison goes on after Close")
	}
	_, err = os.Stat(filepath.Join(dir, closedFile))
	if clean := err == nil; clean == s.incomplete.Load() {
		t.Errorf("closed cleanly: %v, comparison incomplete: %v", clean, s.incomplete.Load())
	}
}

// On a full disk content can be deleted and collected, and then there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=640m"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v", err)
		}
		t.Skipf("this test needs root, to mount a small file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	k := openKit(t, filepath.Join(dir, "data"), noLease)
	if _, err := os.Stat(k.path(ballastFile)); err != nil {
		t.Fatal(err)
	}
	image := k.image(ref("a", "v1"), nil, "config", strings.Repeat("large", 1<<20))
	k.image(ref("a", "v2"), nil, "config2")
	fill(t, filepath.Join(dir, "other"))
	if err := k.PutBlob(t.Context(), "a", layerOf("x"), strings.NewReader("x")); !errors.Is(err, registry.ErrNoSpace) {
		t.Fatalf("a push onto a full disk: %v, want ErrNoSpace", err)
	}
	k.must(k.whole(t.Context(), ref("a", "v2")))
	k.must(k.Delete(t.Context(), ref("a", "v1")))
	k.collect(CollectOptions{Now: true})
	if k.has("a", image) {
		t.Error("the image is still there")
	}
	k.intact()
	k.blob("a", "x")
	k.must(os.Remove(filepath.Join(dir, "other")))
	k.collect(CollectOptions{})
	if _, err := os.Stat(k.path(ballastFile)); err != nil {
		t.Errorf("the ballast was not taken back: %v", err)
	}
}

// fill writes until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &st); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize); err != nil {
		t.Fatal(err)
	}
}

// Keep ends when it is told to, with all that it began.
func TestKeepEnds(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.flip(k.blob("a", "config").Digest)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Keep(ctx, slog.New(slog.DiscardHandler))
}

// A crash can leave a file that did not get its name; the next start removes it.
func TestRemovesUnnamedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	openKit(t, dir, Options{}).Close()
	left := []string{".closed.3831804813", ".probe-17", filepath.Join(incomingDir, "blob-1")}
	for _, name := range left {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("12"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := openKit(t, dir, Options{})
	for _, name := range left {
		if _, err := os.Stat(k.path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}
