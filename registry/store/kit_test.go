package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// noLease lets a collection see what nobody relies on any more.
var noLease = Options{Lease: time.Nanosecond}

// kit is a store under test, with short ways to put things into it. Content is
// made from texts: equal texts are equal blobs.
type kit struct {
	*Store
	t testing.TB
}

func newKit(t testing.TB, options Options) *kit {
	t.Helper()
	return openKit(t, t.TempDir(), options)
}

func openKit(t testing.TB, dir string, options Options) *kit {
	t.Helper()
	s, err := Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	<-s.recounted
	return &kit{s, t}
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

func layerOf(text string) registry.Descriptor {
	return registry.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromString(text), Size: int64(len(text))}
}

func (k *kit) blob(repository, text string) registry.Descriptor {
	k.t.Helper()
	d := layerOf(text)
	k.must(k.PutBlob(k.t.Context(), repository, d, strings.NewReader(text)))
	return d
}

// imageOf is the manifest of an image; its first layer is its config, too.
func imageOf(subject *registry.Descriptor, layers ...string) (registry.Descriptor, []byte) {
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Subject: subject}
	m.Config = layerOf(layers[0])
	m.Config.MediaType = ocispec.MediaTypeImageConfig
	for _, text := range layers[1:] {
		m.Layers = append(m.Layers, layerOf(text))
	}
	return describe(m.MediaType, m)
}

func indexOf(subject *registry.Descriptor, children ...registry.Descriptor) (registry.Descriptor, []byte) {
	m := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Subject: subject, Manifests: children}
	if m.Manifests == nil {
		m.Manifests = []registry.Descriptor{}
	}
	return describe(m.MediaType, m)
}

func describe(mediaType string, m any) (registry.Descriptor, []byte) {
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return registry.Describe(mediaType, content, digest.SHA256), content
}

// ref is a tag of a repository, or the repository alone.
func ref(repository, tag string) registry.Ref { return registry.Ref{Repository: repository, Tag: tag} }

func at(repository string, d registry.Descriptor) registry.Ref {
	return registry.Ref{Repository: repository, Digest: d.Digest}
}

func (k *kit) put(r registry.Ref, d registry.Descriptor, content []byte) registry.Descriptor {
	k.t.Helper()
	if r.Tag == "" {
		r.Digest = d.Digest
	}
	k.must(k.PutManifest(k.t.Context(), r, d, content))
	return d
}

// image puts an image with its blobs.
func (k *kit) image(r registry.Ref, subject *registry.Descriptor, layers ...string) registry.Descriptor {
	k.t.Helper()
	for _, text := range layers {
		k.blob(r.Repository, text)
	}
	d, content := imageOf(subject, layers...)
	return k.put(r, d, content)
}

func (k *kit) index(r registry.Ref, subject *registry.Descriptor, children ...registry.Descriptor) registry.Descriptor {
	k.t.Helper()
	d, content := indexOf(subject, children...)
	return k.put(r, d, content)
}

func (k *kit) collect(opts CollectOptions) *Collected {
	k.t.Helper()
	report, err := k.Collect(k.t.Context(), opts)
	k.must(err)
	return report
}

func (k *kit) exec(query string, args ...any) {
	k.t.Helper()
	k.must(k.db.Write(k.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	}))
}

func (k *kit) number(query string, args ...any) (n int64) {
	k.t.Helper()
	k.must(k.db.Read.QueryRow(query, args...).Scan(&n))
	return n
}

// has reports whether a repository holds a manifest.
func (k *kit) has(repository string, d registry.Descriptor) bool {
	k.t.Helper()
	_, err := k.Resolve(k.t.Context(), at(repository, d))
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		k.t.Fatal(err)
	}
	return err == nil
}

// hasBlob reports whether a repository holds a blob.
func (k *kit) hasBlob(repository, text string) bool {
	k.t.Helper()
	ok, err := k.Exists(k.t.Context(), repository, layerOf(text))
	k.must(err)
	return ok
}

// whole proves that a name has all that it needs: every blob can be read to
// its end, every child and referrer that is there, too.
func (s *Store) whole(ctx context.Context, r registry.Ref) error {
	d, content, err := s.Manifest(ctx, r)
	if err != nil {
		return err
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return err
	}
	for _, b := range m.Blobs {
		if _, err := registry.ReadBlob(ctx, s, r.Repository, b); err != nil {
			return fmt.Errorf("%s misses %w", r, err)
		}
	}
	for _, c := range m.Children {
		if err := s.whole(ctx, at(r.Repository, c)); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}

// intact proves that no manifest of any repository misses a blob, and that
// files and rows agree.
func (k *kit) intact() {
	k.t.Helper()
	rows, err := k.db.Read.Query(`SELECT r.name || ' ' || mr.manifest || ' ' || mr.digest FROM manifest_references mr
		JOIN repository_manifests rm ON rm.digest = mr.manifest JOIN repositories r ON r.id = rm.repository_id
		WHERE mr.kind = 'blob' AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.repository_id = rm.repository_id AND rb.digest = mr.digest)`)
	missing, err := readNames(rows, err)
	k.must(err)
	if len(missing) > 0 {
		k.t.Errorf("manifests without their blobs: %q", missing)
	}
	rows, err = k.db.Read.Query(`SELECT digest FROM blobs ORDER BY digest`)
	want, err := readNames(rows, err)
	k.must(err)
	if have := k.blobFiles(); !slices.Equal(have, want) {
		k.t.Errorf("files %q, rows %q", have, want)
	}
}

// blobFiles are the digests of the files on the disk.
func (k *kit) blobFiles() (list []string) {
	k.t.Helper()
	k.must(filepath.WalkDir(k.path(blobsDir), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, filepath.Base(filepath.Dir(filepath.Dir(path)))+":"+e.Name())
		}
		return err
	}))
	slices.Sort(list)
	return list
}

// damage replaces the bytes of a blob's file.
func (k *kit) damage(d digest.Digest, content []byte) {
	k.t.Helper()
	k.must(os.WriteFile(k.blobPath(d), content, 0o644))
}

// flip changes a bit of a blob's file.
func (k *kit) flip(d digest.Digest) {
	k.t.Helper()
	content, err := os.ReadFile(k.blobPath(d))
	k.must(err)
	content = bytes.Clone(content)
	content[0] ^= 1
	k.damage(d, content)
}
