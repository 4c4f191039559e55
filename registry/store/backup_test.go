package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

func (k *kit) backup(dir string) *BackedUp {
	k.t.Helper()
	b, err := Backup(k.t.Context(), k, dir)
	k.must(err)
	return b
}

// A second backup moves what is new only; what is damaged meanwhile stays as
// the folder has it, or is listed; a restored store serves the rest.
func TestBackup(t *testing.T) {
	t.Parallel()
	k, dir := newKit(t, noLease), t.TempDir()
	k.image(ref("a", "v1"), nil, "config", "layer")
	if b := k.backup(dir); b.Moved != int64(len("config")+len("layer")) || b.Blobs != 2 || len(b.Damaged) != 0 {
		t.Errorf("the first backup: %+v", b)
	}
	k.image(ref("a", "v2"), nil, "config", "fresh")
	k.flip(digest.FromString("layer"))
	k.flip(digest.FromString("fresh"))
	if b := k.backup(dir); b.Moved != 0 || len(b.Damaged) != 1 || b.Damaged[0].Digest != digest.FromString("fresh") {
		t.Errorf("the second backup: %+v, want fresh damaged and nothing moved", b)
	}
	data := t.TempDir()
	r, err := Restore(t.Context(), dir, data)
	k.must(err)
	if len(r.Damaged) != 1 {
		t.Errorf("restored %+v, want fresh damaged", r)
	}
	again := openKit(t, data, Options{})
	again.must(again.whole(t.Context(), ref("a", "v1")))
	if list, err := again.Damaged(t.Context()); err != nil || len(list) != 1 || list[0].Digest != digest.FromString("fresh") {
		t.Errorf("quarantine %+v, %v; want fresh", list, err)
	}
	if _, err := Restore(t.Context(), dir, data); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("over a store: %v, want ErrConflict", err)
	}
}

// A backup whose bytes rot is never restored as good, and a restore that was
// interrupted goes on. What an earlier store left beside its database does not
// get into the new one.
func TestRestore(t *testing.T) {
	t.Parallel()
	k, dir, data := newKit(t, noLease), t.TempDir(), t.TempDir()
	k.image(ref("a", "v1"), nil, "config", "layer")
	k.backup(dir)
	k.must(os.WriteFile(blobPathIn(dir, digest.FromString("layer")), []byte("xayer"), 0o644))
	k.must(makeBlobFolders(data))
	k.must(os.WriteFile(blobPathIn(data, digest.FromString("config")), []byte("cxnfig"), 0o644))
	for _, name := range []string{Database + "-wal", Database + "-shm", closedFile} {
		k.must(os.WriteFile(filepath.Join(data, name), []byte("1\n"), 0o644))
	}
	r, err := Restore(t.Context(), dir, data)
	k.must(err)
	if len(r.Damaged) != 1 || r.Damaged[0].Digest != digest.FromString("layer") {
		t.Errorf("restored %+v, want the layer damaged", r)
	}
	for _, name := range []string{Database + "-wal", closedFile} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			t.Errorf("%s of an earlier store is still there", name)
		}
	}
	again := openKit(t, data, Options{})
	if list, err := again.Damaged(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("quarantine %+v, %v; want the layer", list, err)
	}
	if !again.hasBlob("a", "config") {
		t.Error("the config is not there")
	}
}

// What is not a backup is refused with its reason.
func TestWrongBackups(t *testing.T) {
	t.Parallel()
	k, dir := newKit(t, noLease), t.TempDir()
	b := k.backup(dir)
	path := filepath.Join(dir, backupFile)
	for content, want := range map[string]error{
		`{"version":2}`: registry.ErrInvalid, `{"version":1,"more":1}`: registry.ErrInvalid, `nonsense`: registry.ErrInvalid,
		`{"version":1,"database":"sha256:x"}`: registry.ErrInvalid, "": registry.ErrInvalid,
	} {
		k.must(os.WriteFile(path, []byte(content), 0o644))
		if _, err := Restore(t.Context(), dir, t.TempDir()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", content, err, want)
		}
	}
	k.backup(dir)
	k.must(os.WriteFile(databasePath(dir, b.Database), []byte("rotten"), 0o644))
	k.must(os.WriteFile(path, []byte(`{"version":1,"database":"`+b.Database.String()+`"}`), 0o644))
	if _, err := Restore(t.Context(), dir, t.TempDir()); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("a rotten database: %v, want ErrDigest", err)
	}
	if _, err := Restore(t.Context(), t.TempDir(), t.TempDir()); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("an empty folder: %v, want ErrNotFound", err)
	}
}
