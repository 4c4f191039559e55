package chart_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// parts takes a text apart into files: a line "-- NAME --", then the file's text.
func parts(text string, visit func(name, content string)) {
	for _, part := range strings.Split("\n"+text, "\n-- ")[1:] {
		name, content, _ := strings.Cut(part+"\n", " --\n")
		visit(name, content)
	}
}

// folder writes files into a new folder.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	parts(text, func(name, content string) { write(t, filepath.Join(dir, name), content) })
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// tarOf makes a gzipped tar of headers; a file has its link's text as content.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
		}
		h.Size, h.Mode = int64(len(content)), 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, content)
	}
	w.Close()
	zipped.Close()
	return b.Bytes()
}

// archive is tarOf files.
func archive(t testing.TB, text string) []byte {
	t.Helper()
	var headers []tar.Header
	parts(text, func(name, content string) {
		headers = append(headers, tar.Header{Name: name, Typeflag: tar.TypeReg, Linkname: content})
	})
	return tarOf(t, headers...)
}

// push puts an archive into a registry as "helm push" does.
func push(t *testing.T, m *memory.Registry, repository, tag, configType string, archive []byte) registry.Descriptor {
	t.Helper()
	put := func(mediaType string, content []byte) registry.Descriptor {
		d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
		if err := m.PutBlob(t.Context(), repository, d, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: put(configType, []byte("{}"))}
	manifest.SchemaVersion = 2
	manifest.Layers = []registry.Descriptor{put("application/vnd.cncf.helm.chart.provenance.v1.prov", []byte("signed")), put(chart.TypeContent, archive)}
	content := marshal(t, manifest)
	d := registry.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if err := m.PutManifest(t.Context(), registry.Ref{Repository: repository, Tag: tag}, d, content); err != nil {
		t.Fatal(err)
	}
	return d
}

// names are the files of an archive in its order, folders with a slash.
func names(t *testing.T, archive []byte) (list []string) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, h.Name)
	}
}

func keys(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
