package backup_test

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
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/backup"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

// site is a store with the fixture's content, in a folder of its own.
type site struct {
	*store.Store
	*testing.T
	fixture *registrytest.Fixture
	folder  store.Folder
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := open(t, t.TempDir())
	s.fixture = registrytest.NewFixture(t)
	s.must(registry.Copy(t.Context(), s, s.fixture, s.fixture.Graph, registry.CopyOptions{}))
	return s
}

func open(t *testing.T, dir string) *site {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{Lease: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &site{Store: s, T: t, folder: store.Folder(dir)}
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) backup(dir string) *backup.Report {
	s.Helper()
	b, err := backup.Make(s.Context(), s, dir)
	s.must(err)
	return b
}

// spoil changes a byte of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// serves reports whether all that a name needs can be read and is whole.
func (s *site) serves(ref registry.Ref) error {
	g, err := registry.Walk(s.Context(), s, []registry.Ref{ref}, registry.WalkOptions{})
	if err != nil {
		return err
	}
	for _, b := range g.Blobs {
		if _, err := registry.ReadBlob(s.Context(), s, b.Repositories[0], b.Descriptor); err != nil {
			return err
		}
	}
	return nil
}

var app = registry.Ref{Repository: registrytest.App, Tag: "v1"}

// A second backup moves what is new only; what is damaged meanwhile goes into
// quarantine, and stays as the folder has it, or is listed; a restored store
// serves the rest.
func TestMake(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t), t.TempDir()
	first := s.backup(dir)
	if first.Moved != first.Bytes || first.Blobs == 0 || len(first.Damaged) != 0 {
		t.Errorf("the first backup: %+v", first)
	}
	fresh, layer := []byte("fresh"), s.fixture.Layer.Digest
	d := registry.Descriptor{Digest: digest.FromBytes(fresh), Size: int64(len(fresh))}
	s.must(s.PutBlob(t.Context(), registrytest.App, d, bytes.NewReader(fresh)))
	spoil(t, s.folder.Blob(layer))
	spoil(t, s.folder.Blob(d.Digest))
	second := s.backup(dir)
	if second.Moved != 0 || len(second.Damaged) != 1 || second.Damaged[0].Digest != d.Digest {
		t.Errorf("the second backup: %+v, want fresh damaged and nothing moved", second)
	}
	if list, err := s.Damaged(t.Context()); err != nil || len(list) != 1 || list[0].Digest != d.Digest {
		t.Errorf("quarantine of the source %+v, %v; want fresh, which was read", list, err)
	}
	data := t.TempDir()
	r, err := backup.Restore(t.Context(), dir, data, backup.RestoreOptions{})
	s.must(err)
	if len(r.Damaged) != 1 {
		t.Errorf("restored %+v, want fresh damaged", r)
	}
	again := open(t, data)
	again.must(again.serves(app))
	if _, err := again.StatBlob(t.Context(), registrytest.App, d.Digest); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("fresh: %v, want ErrNotFound", err)
	}
	if list, err := again.Damaged(t.Context()); err != nil || len(list) != 1 || list[0].Digest != d.Digest {
		t.Errorf("quarantine %+v, %v; want fresh", list, err)
	}
	if _, err := backup.Restore(t.Context(), dir, data, backup.RestoreOptions{}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("over a store: %v, want ErrConflict", err)
	}
}

// slow lets something happen between a snapshot and the first blob.
type slow struct {
	*site
	once      sync.Once
	meanwhile func()
}

func (s *slow) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	s.once.Do(s.meanwhile)
	return s.site.BlobBytes(ctx, d)
}

// What a snapshot names is not erased until the backup has ended.
func TestMakeHolds(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t), t.TempDir()
	collect := func() *store.Collected {
		c, err := s.Collect(t.Context(), store.CollectOptions{Now: true})
		s.must(err)
		return c
	}
	source := &slow{site: s, meanwhile: func() {
		for _, ref := range s.fixture.Names {
			s.must(s.Delete(t.Context(), ref))
		}
		if c := collect(); c.Erased.Blobs != 0 {
			t.Errorf("%+v was erased under a backup", c.Erased)
		}
	}}
	b, err := backup.Make(t.Context(), source, dir)
	if s.must(err); len(b.Damaged) != 0 {
		t.Errorf("%+v", b)
	}
	if c := collect(); c.Erased.Blobs == 0 {
		t.Error("nothing was erased after the backup")
	}
}

// A backup whose bytes rot is never restored as good, and a restore that was
// interrupted goes on. What an earlier store left beside its database does not
// get into the new one.
func TestRestore(t *testing.T) {
	t.Parallel()
	s, dir, data := newSite(t), t.TempDir(), t.TempDir()
	s.backup(dir)
	layer := s.fixture.Layer.Digest
	other := s.fixture.Graph.Blobs[slices.IndexFunc(s.fixture.Graph.Blobs, func(n registry.Node) bool {
		return n.Descriptor.Digest != layer && n.Descriptor.Size > 100
	})].Descriptor.Digest
	spoil(t, store.Folder(dir).Blob(layer))
	s.must(store.Folder(data).MakeBlobs())
	s.must(os.WriteFile(store.Folder(data).Blob(other), bytes.Repeat([]byte("x"), len(s.fixture.Content[other])), 0o644))
	for _, name := range []string{store.Database + "-wal", store.Database + "-shm", "closed"} {
		s.must(os.WriteFile(filepath.Join(data, name), []byte("1\n"), 0o644))
	}
	var bytes, total int64
	r, err := backup.Restore(t.Context(), dir, data, backup.RestoreOptions{Progress: func(b, t int64) { bytes, total = b, t }})
	s.must(err)
	if len(r.Damaged) != 1 || r.Damaged[0].Digest != layer || strings.Contains(r.Damaged[0].Cause, layer.String()) {
		t.Errorf("restored %+v, want the layer damaged", r)
	}
	if total != r.Bytes || bytes != total-s.fixture.Layer.Size {
		t.Errorf("progress ended at %d of %d, want all of %d but the layer's %d", bytes, total, r.Bytes, s.fixture.Layer.Size)
	}
	for _, name := range []string{store.Database + "-wal", "closed"} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			t.Errorf("%s of an earlier store is still there", name)
		}
	}
	again := open(t, data)
	if err := again.serves(app); !errors.Is(err, registry.ErrNotFound) { // found now, if the start's comparison has not yet
		t.Errorf("app is served: %v", err)
	}
	if list, err := again.Damaged(t.Context()); err != nil || len(list) != 1 || list[0].Digest != layer {
		t.Errorf("quarantine %+v, %v; want the layer", list, err)
	}
	if _, err := again.StatBlob(t.Context(), registrytest.App, other); err != nil {
		t.Errorf("the other blob: %v", err)
	}
}

// What is not a backup is refused with its reason.
func TestWrongBackups(t *testing.T) {
	t.Parallel()
	s, dir := newSite(t), t.TempDir()
	b := s.backup(dir)
	path := filepath.Join(dir, "backup.json")
	restore := func() error {
		_, err := backup.Restore(t.Context(), dir, t.TempDir(), backup.RestoreOptions{})
		return err
	}
	for _, content := range []string{`{"version":2}`, `{"version":1,"more":1}`, `nonsense`, `{"version":1,"database":"sha256:x"}`, ""} {
		s.must(os.WriteFile(path, []byte(content), 0o644))
		if err := restore(); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", content, err)
		}
	}
	s.backup(dir)
	s.must(os.WriteFile(filepath.Join(dir, "database-"+b.Database.Encoded()+".db"), []byte("rotten"), 0o644))
	s.must(os.WriteFile(path, []byte(`{"version":1,"database":"`+b.Database.String()+`"}`), 0o644))
	if err := restore(); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("a rotten database: %v, want ErrDigest", err)
	}
	if _, err := backup.Restore(t.Context(), t.TempDir(), t.TempDir(), backup.RestoreOptions{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("an empty folder: %v, want ErrNotFound", err)
	}
}
