package bundle

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// forge lays a header out as it is, lies included, over the fixture's content.
func forge(t *testing.T, f *registrytest.Fixture, h *Header) []byte {
	t.Helper()
	l, err := newLayout(h)
	if err != nil {
		t.Fatal(err)
	}
	file := make([]byte, l.size)
	copy(file, l.preamble)
	for i := range l.entries {
		e := &l.entries[i]
		copy(file[e.frame:], l.frame(e))
		copy(file[e.offset:e.offset+e.size], f.Content[e.digest])
	}
	return file
}

func header(t *testing.T, f *registrytest.Fixture) *Header {
	t.Helper()
	h := newHeader(f.Graph, f.Graph, CreateOptions{Created: time.Unix(1_800_000_000, 0)})
	if _, err := newLayout(h); err != nil {
		t.Fatal(err)
	}
	return h
}

// A well-formed file whose parts contradict each other is refused, and the
// message says where.
func TestForgeries(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	zero := digest.FromString("nothing")
	for want, lie := range map[string]func(h *Header){
		"":                                      func(*Header) {}, // the forger can also tell the truth
		"bytes are listed, a manifest says":     func(h *Header) { h.Blobs[0].Size++ },
		"a manifest of 9":                       func(h *Header) { h.Manifests[0].Size = 9 << 20 },
		"size -1":                               func(h *Header) { h.Blobs[0].Size = -1 },
		"size 2251799813685248":                 func(h *Header) { h.Blobs[0].Size = 1 << 51 },
		"blobs are listed, the manifests name":  func(h *Header) { h.Blobs = h.Blobs[1:] },
		"is named by a manifest and not listed": func(h *Header) { h.Blobs[0].Digest = zero },
		"is listed twice":                       func(h *Header) { h.Blobs[1] = h.Blobs[0] },
		"is not an array":                       func(h *Header) { h.Blobs, h.Manifests, h.Names = nil, nil, nil },
		"fit into one bundle": func(h *Header) {
			for i := range h.Blobs {
				h.Blobs[i].Size = 1 << 49
			}
		},
		"stands for": func(h *Header) {
			n := h.Names[len(h.Names)-1]
			h.Names = append(h.Names, Name{Digest: h.Manifests[0].Digest, Name: n.Name + "@" + h.Manifests[0].Digest.String()})
			h.Manifests[0].Repositories = []string{registrytest.App, registrytest.Tool}
		},
		"names are out of order":                        func(h *Header) { slices.Reverse(h.Names) },
		"which is not a manifest of that repository":    func(h *Header) { h.Names[0].Digest = zero },
		"app:../../etc\": invalid":                      func(h *Header) { h.Names[0].Name = "registry.example/team/app:../../etc" },
		"repository \"../app\"":                         func(h *Header) { h.Names[0].Name = "registry.example/../app:v1" },
		"a manifest is listed that no name reaches":     func(h *Header) { h.Names = h.Names[:1] },
		"repositories or subject are not":               func(h *Header) { h.Manifests[0].Repositories = []string{registrytest.App, "registry.example/x"} },
		"repositories are missing or out of order":      func(h *Header) { h.Manifests[0].Repositories = nil },
		"media type \"text/plain\" is not a manifest's": func(h *Header) { h.Manifests[0].MediaType = "text/plain" },
		"which it lists":                                func(h *Header) { moveToEnd(h, f.Images["amd64"].Digest) },
		"created \"yesterday\"":                         func(h *Header) { h.Created = "yesterday" },
		"digest \"sha256:../../etc/passwd\"":            func(h *Header) { h.Blobs[0].Digest = "sha256:../../etc/passwd" },
		"format version 0":                              func(h *Header) { h.Format = 0 },
	} {
		h := header(t, f)
		lie(h)
		h.ID = h.identity()
		file := forgeUnlessNegative(t, f, h)
		_, err := NewReader("forged", bytes.NewReader(file), int64(len(file)))
		if want == "" && err != nil {
			t.Errorf("the truth: %v", err)
		}
		if want != "" && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: want ErrFormat with %q", err, want)
		}
	}
}

// forgeUnlessNegative: absurd sizes cannot be laid out; the preamble has to do.
func forgeUnlessNegative(t *testing.T, f *registrytest.Fixture, h *Header) []byte {
	t.Helper()
	if len(h.Blobs) == 0 || h.Blobs[0].Size < 0 || h.Blobs[0].Size > 1<<40 || strings.Contains(h.Blobs[0].Digest.String(), "..") {
		l := &layout{header: h}
		preamble, err := l.encode()
		if err != nil {
			t.Fatal(err)
		}
		return preamble
	}
	return forge(t, f, h)
}

func moveToEnd(h *Header, d digest.Digest) {
	i := slices.IndexFunc(h.Manifests, func(m Manifest) bool { return m.Digest == d })
	m := h.Manifests[i]
	h.Manifests = append(slices.Delete(h.Manifests, i, i+1), m)
}

// A header that is not in the one canonical form is refused, though a lenient
// parser would read the same from it.
func TestHeaderIsCanonical(t *testing.T) {
	t.Parallel()
	content, err := canonical(header(t, registrytest.NewFixture(t)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for what, other := range map[string]string{
		"white space":    strings.Replace(text, `,`, `, `, 1),
		"unknown member": strings.Replace(text, `"format":1`, `"format":1,"future":true`, 1),
		"missing member": strings.Replace(text, `"format":1,`, ``, 1),
		"trailing bytes": text + "{}",
		"twice":          strings.Replace(text, `"format":1`, `"format":1,"format":1`, 1),
		"fraction":       strings.Replace(text, `"format":1`, `"format":1.0`, 1),
		"escaped":        strings.Replace(text, `"created":"2`, `"created":"\u0032`, 1),
		"other case":     strings.Replace(text, `"created"`, `"Created"`, 1),
		"null":           strings.Replace(text, `"names":[`, `"names":null,"x":[`, 1),
		"not an object":  `[]`,
		"not JSON":       text[1:],
	} {
		if _, err := parseHeader([]byte(other)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", what, err)
		}
	}
}

// The writer refuses what is not in its layout.
func TestWriterRefusesForeignBlobs(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	w, err := Create(t.Context(), filepath.Join(t.TempDir(), "b"), f.Graph, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	foreign := registry.Descriptor{Digest: digest.FromString("x"), Size: 1}
	if err := w.PutBlob(t.Context(), registrytest.App, foreign, strings.NewReader("x")); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("PutBlob: %v, want ErrInvalid", err)
	}
}
