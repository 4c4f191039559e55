package store

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// points proves what a tag resolves to, and that memory agrees or is silent;
// an empty digest is a tag that is gone.
func (k *kit) points(r registry.Ref, want digest.Digest) {
	k.t.Helper()
	d, err := k.Resolve(k.t.Context(), r)
	if d.Digest != want || (err == nil) != (want != "") {
		k.t.Errorf("%s is %q, %v; want %q", r, d.Digest, err, want)
	}
	if d, ok := k.cache.tagged(registry.RepositoryPath(r.Repository), r.Tag); ok && d != want {
		k.t.Errorf("%s is %q in memory, want %q", r, d, want)
	}
}

// remembered is what memory knows of a tag.
func (k *kit) remembered(r registry.Ref) digest.Digest {
	d, _ := k.cache.tagged(registry.RepositoryPath(r.Repository), r.Tag)
	return d
}

// A start brings all tags into memory, whatever page they are on, and they
// follow every way in which a tag can change.
func TestTagsInMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	warm := noLease
	warm.Warm = true
	k := openKit(t, dir, warm)
	first := k.image(ref("a", "v1"), nil, "first")
	second := k.image(ref("a", "v2"), nil, "second")
	for i := range 2*page + 3 {
		k.put(ref(fmt.Sprint("r", i%3), fmt.Sprint("t", i)), k.image(ref(fmt.Sprint("r", i%3), ""), nil, "many"), contentOf(imageOf(nil, "many")))
	}
	k.must(k.Close())
	k = openKit(t, dir, warm)
	k.loading.running.Wait()
	if n := int64(len(k.cache.tags.entries)); n != k.number(`SELECT count(*) FROM tags`) {
		t.Errorf("%d tags in memory, not all", n)
	}
	if m, ok := k.spill.get(first.Digest); !ok || m.Digest != first.Digest || m.MediaType != first.MediaType || m.Size != first.Size {
		t.Errorf("the manifest is not near at hand after a start: %+v", m)
	}
	if d := k.remembered(ref("a", "v1")); d != first.Digest {
		t.Errorf("a:v1 is %q in memory after a start", d)
	}
	k.points(ref("a", "v1"), first.Digest)
	k.put(ref("a", "v1"), second, contentOf(imageOf(nil, "second")))
	k.points(ref("a", "v1"), second.Digest)
	k.must(k.Delete(t.Context(), ref("a", "v1")))
	k.points(ref("a", "v1"), "")
	k.must(k.Delete(t.Context(), at("a", second)))
	k.points(ref("a", "v2"), "")
	k.image(ref("a", "v2"), nil, "second")
	k.points(ref("a", "v2"), second.Digest)
	k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"rules":[{"repositories":["a"],"keep":{"tags":["none"]}}]}`)))
	retained, err := k.Retain(t.Context(), RetainOptions{})
	k.must(err)
	if retained.Removed != 1 {
		t.Errorf("%d tags removed, want v2", retained.Removed)
	}
	k.points(ref("a", "v2"), "")
	_, err = k.Undo(t.Context())
	k.must(err)
	k.loading.running.Wait()
	k.points(ref("a", "v2"), second.Digest)
	k.points(ref("r1", "t1"), k.remembered(ref("r2", "t2")))
}

// contentOf is the content that a manifest is made of.
func contentOf(_ registry.Descriptor, content []byte) []byte { return content }

// A tag that memory cannot hold is read from the database.
func TestTagsNotInMemory(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	_, content := imageOf(nil, "config")
	k.blob("a", "config")
	other := registry.Describe("application/vnd.oci.image.manifest.v1+json", content, digest.SHA512)
	k.put(ref("a", "sha512"), other, content)
	d := k.image(ref("a", "full"), nil, "config")
	k.cache.mu.Lock()
	for i := range uint64(maxIndexedTags) {
		k.cache.tags.entries[fingerprint{i}] = [32]byte{}
	}
	k.cache.mu.Unlock()
	for range 2 {
		k.points(ref("a", "sha512"), other.Digest)
		k.points(ref("a", "full"), d.Digest)
	}
	if known := k.remembered(ref("a", "full")); known != "" {
		t.Error("there is room in a full memory")
	}
}

// What memory says of a tag that has moved and whose manifest is gone is not
// the last word.
func TestTagMovedBehindMemory(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	d := k.image(ref("a", "v1"), nil, "config")
	k.cache.putTags(k.cache.generation.Load(), tagRow{path: "a", tag: "v1", digest: digest.FromString("deleted meanwhile")})
	if got, err := k.Resolve(t.Context(), ref("a", "v1")); err != nil || got.Digest != d.Digest {
		t.Errorf("v1 is %q, %v", got.Digest, err)
	}
}

// What was read before a change is not kept after it.
func TestTagsReadTooEarly(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	d := k.image(ref("a", "v1"), nil, "config")
	generation := k.cache.generation.Load()
	k.must(k.Delete(t.Context(), ref("a", "v1")))
	if k.cache.putTags(generation, tagRow{path: "a", tag: "v1", digest: d.Digest}) {
		t.Error("a row of before the delete was kept")
	}
	k.points(ref("a", "v1"), "")
}

// A manifest that the disk did not keep well comes from the database.
func TestSpillIsProven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	warm := noLease
	warm.Warm, warm.CacheSize = true, 1
	k := openKit(t, dir, warm)
	d := k.image(ref("a", "v1"), nil, "config")
	for range 2 { // the second time the tag is known
		k.points(ref("a", "v1"), d.Digest)
	}
	if _, ok := k.spill.get(d.Digest); !ok {
		t.Fatal("what was read is not near at hand")
	}
	_, err := k.spill.file.WriteAt([]byte("x"), 0)
	k.must(err)
	k.points(ref("a", "v1"), d.Digest)
	k.must(k.whole(t.Context(), ref("a", "v1")))
	k.must(k.spill.file.Close()) // a disk that fails
	k.must(k.whole(t.Context(), ref("a", "v1")))
	k.spill.put(manifest{registry.Descriptor{Digest: digest.FromString("other")}, []byte("other")})
	if k.spill.file != nil {
		t.Error("a file that failed is used on")
	}
	k.must(k.whole(t.Context(), ref("a", "v1")))
}
