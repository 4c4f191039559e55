package registrytest

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// Registry is what Run proves. Mounter, Lister, Deleter and Batcher are proven
// too when it has them.
type Registry interface {
	registry.Reader
	registry.Writer
}

// Run proves an implementation. open returns an empty one and is called once
// for each test.
func Run(t *testing.T, open func(t *testing.T) Registry) {
	t.Helper()
	Readers(t, func(t *testing.T, f *Fixture) registry.Reader {
		r := open(t)
		if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		return r
	})
	for name, prove := range map[string]func(*testing.T, *Fixture, Registry){
		"says what exists":               proveExists,
		"refuses wrong bytes":            proveWrongBytes,
		"refuses a failing reader":       proveFailingReader,
		"refuses incomplete manifests":   proveIncomplete,
		"refuses invalid manifests":      proveInvalid,
		"accepts sparse indexes":         proveSparse,
		"moves tags":                     proveMoveTag,
		"copies twice without moving":    proveCopyTwice,
		"mounts":                         proveMount,
		"deletes":                        proveDelete,
		"shows a batch's names together": proveBatch,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prove(t, NewFixture(t), open(t))
		})
	}
}

func proveExists(t *testing.T, f *Fixture, r Registry) {
	exists := func(repository string, d registry.Descriptor) bool {
		t.Helper()
		ok, err := r.Exists(t.Context(), repository, d)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if exists(App, f.Layer) || exists(App, f.Index) {
		t.Error("content exists in an empty registry")
	}
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if !exists(App, f.Layer) || !exists(Tool, f.Layer) || !exists(App, f.Index) || !exists(Tool, f.Tool) {
		t.Error("copied content does not exist")
	}
	if exists(Tool, f.Index) {
		t.Error("a manifest exists in a repository that it was not put into")
	}
}

func proveWrongBytes(t *testing.T, f *Fixture, r Registry) {
	content := f.Content[f.Layer.Digest]
	flipped := bytes.Clone(content)
	flipped[len(flipped)/2] ^= 1
	for what, wrong := range map[string][]byte{
		"flipped": flipped, "short": content[:len(content)-1], "long": append(bytes.Clone(content), 0), "empty": nil,
	} {
		err := r.PutBlob(t.Context(), App, f.Layer, bytes.NewReader(wrong))
		if !errors.Is(err, registry.ErrDigest) && !errors.Is(err, registry.ErrSize) {
			t.Errorf("PutBlob of %s bytes: %v, want ErrDigest or ErrSize", what, err)
		}
		if ok, err := r.Exists(t.Context(), App, f.Layer); ok || err != nil {
			t.Errorf("after %s bytes the blob exists: %v, %v", what, ok, err)
		}
	}
	wrong := bytes.Replace(f.Content[f.Tool.Digest], []byte("2"), []byte("3"), 1)
	if err := r.PutManifest(t.Context(), registry.Ref{Repository: Tool, Tag: "x"}, f.Tool, wrong); err == nil {
		t.Error("PutManifest accepted other bytes than the descriptor's")
	}
}

func proveFailingReader(t *testing.T, f *Fixture, r Registry) {
	broken := errors.New("broken")
	half := bytes.NewReader(f.Content[f.Layer.Digest][:100])
	err := r.PutBlob(t.Context(), App, f.Layer, io.MultiReader(half, iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("PutBlob: %v, want the reader's error", err)
	}
	if ok, err := r.Exists(t.Context(), App, f.Layer); ok || err != nil {
		t.Errorf("half a blob exists: %v, %v", ok, err)
	}
}

func proveIncomplete(t *testing.T, f *Fixture, r Registry) {
	ref := registry.Ref{Repository: Tool, Tag: "v2"}
	if err := r.PutManifest(t.Context(), ref, f.Tool, f.Content[f.Tool.Digest]); !errors.Is(err, registry.ErrIncomplete) {
		t.Errorf("PutManifest without its layers: %v, want ErrIncomplete", err)
	}
	if _, err := r.Resolve(t.Context(), ref); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the refused name resolves: %v", err)
	}
}

func proveInvalid(t *testing.T, _ *Fixture, r Registry) {
	for _, content := range []string{`{`, `[]`, `{"schemaVersion":1}`, `{"schemaVersion":2,"config":{"digest":"md5:1","size":1}}`} {
		d := registry.Describe(ocispec.MediaTypeImageManifest, []byte(content), digest.SHA256)
		if err := r.PutManifest(t.Context(), registry.Ref{Repository: App, Tag: "bad"}, d, []byte(content)); err == nil {
			t.Errorf("PutManifest accepted %s", content)
		}
	}
}

// proveSparse: an index keeps its bytes though one platform was left out.
func proveSparse(t *testing.T, f *Fixture, r Registry) {
	arm := registry.WalkOptions{Platforms: []registry.Platform{{OS: "linux", Architecture: "arm64"}}}
	g, err := registry.Walk(t.Context(), f, f.Names[:1], arm)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Copy(t.Context(), r, f, g, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, content, err := r.Manifest(t.Context(), f.Names[0]); err != nil || !bytes.Equal(content, f.Content[f.Index.Digest]) {
		t.Errorf("the sparse index is not the original: %v", err)
	}
	for arch, want := range map[string]bool{"amd64": false, "arm64": true} {
		if ok, err := r.Exists(t.Context(), App, f.Images[arch]); ok != want || err != nil {
			t.Errorf("%s exists: %v, %v; want %v", arch, ok, err, want)
		}
	}
}

func proveMoveTag(t *testing.T, f *Fixture, r Registry) {
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	image := f.Images["arm64"]
	if err := r.PutManifest(t.Context(), f.Names[0], image, f.Content[image.Digest]); err != nil {
		t.Fatal(err)
	}
	if d, err := r.Resolve(t.Context(), f.Names[0]); err != nil || d.Digest != image.Digest {
		t.Errorf("the tag stands for %s, %v; want %s", d.Digest, err, image.Digest)
	}
	if _, err := r.Resolve(t.Context(), f.Names[0].ByDigest(f.Index.Digest)); err != nil {
		t.Errorf("the manifest that the tag left is gone: %v", err)
	}
}

func proveCopyTwice(t *testing.T, f *Fixture, r Registry) {
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	moved := func(e registry.Event) {
		if e.Kind == registry.Advanced || e.Kind == registry.Finished {
			t.Errorf("the second copy moved %s", e.Descriptor.Digest)
		}
	}
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{Progress: moved}); err != nil {
		t.Fatal(err)
	}
}

func proveMount(t *testing.T, f *Fixture, r Registry) {
	m, ok := r.(registry.Mounter)
	if !ok {
		t.Skip("not a Mounter")
	}
	if err := r.PutBlob(t.Context(), App, f.Layer, bytes.NewReader(f.Content[f.Layer.Digest])); err != nil {
		t.Fatal(err)
	}
	if ok, err := m.Mount(t.Context(), Tool, App, f.Layer); !ok || err != nil {
		t.Fatalf("Mount: %v, %v", ok, err)
	}
	if content, err := registry.ReadBlob(t.Context(), r, Tool, f.Layer); err != nil || !bytes.Equal(content, f.Content[f.Layer.Digest]) {
		t.Errorf("the mounted blob: %d bytes, %v", len(content), err)
	}
	absent := registry.Descriptor{Digest: digest.FromString("absent"), Size: 6}
	if ok, err := m.Mount(t.Context(), Tool, App, absent); ok || err != nil {
		t.Errorf("Mount of an absent blob: %v, %v; want false", ok, err)
	}
}

func proveDelete(t *testing.T, f *Fixture, r Registry) {
	del, ok := r.(registry.Deleter)
	if !ok {
		t.Skip("not a Deleter")
	}
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := del.Delete(t.Context(), f.Names[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), f.Names[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the deleted tag: %v, want ErrNotFound", err)
	}
	tool := f.Names[1]
	if err := del.Delete(t.Context(), tool.ByDigest(f.Tool.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), tool); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the tag of a deleted manifest: %v, want ErrNotFound", err)
	}
	if err := del.Delete(t.Context(), tool); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("deleting again: %v, want ErrNotFound", err)
	}
}

func proveBatch(t *testing.T, f *Fixture, r Registry) {
	batcher, ok := r.(registry.Batcher)
	if !ok {
		t.Skip("not a Batcher")
	}
	batch, err := batcher.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	proveMissing(t, f, batch)
	plain := struct{ registry.Writer }{batch}
	if err := registry.Copy(t.Context(), plain, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.Names {
		if _, err := r.Resolve(t.Context(), n); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s is visible before the commit: %v", n, err)
		}
	}
	if err := batch.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.Names {
		if _, err := r.Resolve(t.Context(), n); err != nil {
			t.Errorf("%s after the commit: %v", n, err)
		}
	}
}

// proveMissing: a Checker says of many what Exists says of each.
func proveMissing(t *testing.T, f *Fixture, w registry.Writer) {
	t.Helper()
	checker, ok := w.(registry.Checker)
	if !ok {
		return
	}
	absent := registry.Descriptor{MediaType: f.Layer.MediaType, Digest: digest.FromString("absent"), Size: 6}
	if err := w.PutBlob(t.Context(), App, f.Layer, bytes.NewReader(f.Content[f.Layer.Digest])); err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]int{App: 1, Tool: 2, "registry.example/nosuch": 2} {
		missing, err := checker.Missing(t.Context(), repository, []registry.Descriptor{f.Layer, absent})
		if err != nil || len(missing) != want {
			t.Errorf("Missing in %s: %v, %v; want %d", repository, missing, err, want)
		}
	}
	if missing, err := checker.Missing(t.Context(), App, nil); err != nil || len(missing) != 0 {
		t.Errorf("Missing of nothing: %v, %v", missing, err)
	}
}
