package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/archive"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// entry is a member of a tar file that is made.
type entry struct {
	name    string
	content []byte
	link    string // of a symbolic link
	kind    byte   // tar.TypeReg when 0
	pax     map[string]string
}

func file(name string, content []byte) entry { return entry{name: name, content: content} }

// tarOf is a tar file.
func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.content)), Mode: 0o644, Typeflag: e.kind, Linkname: e.link, PAXRecords: e.pax}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		must(t, w.WriteHeader(h))
		_, err := w.Write(e.content)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	content, err := json.Marshal(v)
	must(t, err)
	return content
}

// layer is a layer of one file, not compressed.
func layer(t testing.TB, name, content string) []byte {
	return tarOf(t, file(name, []byte(content)))
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

// config is a config of an image with these layers.
func config(t testing.TB, layers ...[]byte) []byte {
	c := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(l))
	}
	return asJSON(t, c)
}

// saved is an image as docker save writes it.
type saved struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// docker are the members of a Docker archive of one image of layers that are not
// compressed.
func docker(t testing.TB, tags []string, layers ...[]byte) []entry {
	c := config(t, layers...)
	s := saved{Config: digest.FromBytes(c).Encoded() + ".json", RepoTags: tags}
	var entries []entry
	for i, l := range layers {
		name := fmt.Sprintf("%064d/layer.tar", i)
		s.Layers = append(s.Layers, name)
		entries = append(entries, file(name, l))
	}
	return append(entries, file(s.Config, c), file("manifest.json", asJSON(t, []saved{s})))
}

// layout are the members of an OCI archive while it is made.
type layout struct {
	t       testing.TB
	entries []entry
	index   ocispec.Index
}

func newLayout(t testing.TB) *layout {
	l := &layout{t: t, index: ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}}
	l.index.SchemaVersion = 2
	return l
}

func (l *layout) blob(mediaType string, content []byte) registry.Descriptor {
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	l.put(d, content)
	return d
}

func (l *layout) put(d registry.Descriptor, content []byte) {
	l.entries = append(l.entries, file("blobs/"+d.Digest.Algorithm().String()+"/"+d.Digest.Encoded(), content))
}

// image adds an image of layers that are not compressed.
func (l *layout) image(layers ...[]byte) registry.Descriptor {
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: l.blob(ocispec.MediaTypeImageConfig, config(l.t, layers...))}
	m.SchemaVersion = 2
	for _, content := range layers {
		m.Layers = append(m.Layers, l.blob(ocispec.MediaTypeImageLayer, content))
	}
	return l.manifest(m)
}

func (l *layout) manifest(m ocispec.Manifest) registry.Descriptor {
	return l.blob(ocispec.MediaTypeImageManifest, asJSON(l.t, m))
}

// list lists a manifest in the index.
func (l *layout) list(d registry.Descriptor, annotations map[string]string) {
	d.Annotations = annotations
	l.index.Manifests = append(l.index.Manifests, d)
}

// members are all, with more behind them.
func (l *layout) members(more ...entry) []entry {
	entries := append(l.entries[:len(l.entries):len(l.entries)], file("index.json", asJSON(l.t, l.index)), file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)))
	return append(entries, more...)
}

func refName(name string) map[string]string {
	return map[string]string{ocispec.AnnotationRefName: name}
}

func open(t testing.TB, content []byte, opts archive.Options) *archive.Archive {
	t.Helper()
	a, err := archive.Open(context.Background(), "x.tar", bytes.NewReader(content), int64(len(content)), opts)
	must(t, err)
	return a
}

// refuse opens what is to be refused.
func refuse(t testing.TB, content []byte, opts archive.Options) error {
	t.Helper()
	_, err := archive.Open(context.Background(), "x.tar", bytes.NewReader(content), int64(len(content)), opts)
	if err == nil {
		t.Error("it was opened")
	}
	return err
}

func openFile(t testing.TB, path string, opts archive.Options) *archive.Archive {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	must(t, err)
	a, err := archive.Open(t.Context(), filepath.Base(path), f, info.Size(), opts)
	must(t, err)
	return a
}

func names(a *archive.Archive) (list []string) {
	for _, ref := range a.Refs() {
		list = append(list, ref.String())
	}
	return list
}

// bytesOf reads a blob.
func bytesOf(t testing.TB, r registry.Reader, repository string, d registry.Descriptor) []byte {
	t.Helper()
	b, err := r.Blob(t.Context(), repository, d)
	must(t, err)
	defer b.Close()
	content, err := io.ReadAll(b)
	must(t, err)
	return content
}
