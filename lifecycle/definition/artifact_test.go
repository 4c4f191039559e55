package definition_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/trust"
)

func key(t testing.TB, kind string) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signature(t testing.TB, document []byte, k *trust.PrivateKey) trust.Signature {
	t.Helper()
	s, err := definition.Sign(document, k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pack(t testing.TB, document []byte, signatures ...trust.Signature) *definition.Content {
	t.Helper()
	c, err := definition.Pack(document, parts(), signatures)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What is packed is copied like any other content, and read back with its signatures
// from where it came to, under its own name and under another.
func TestCopies(t *testing.T) {
	t.Parallel()
	document := marshal(t, sample())
	a, b := key(t, trust.ECDSA), key(t, trust.Ed25519)
	own := pack(t, document, signature(t, document, a), signature(t, document, b))
	if own.Ref().String() != "definitions.landfall.dev/edge:1.0.0_7" {
		t.Errorf("it is called %s", own.Ref())
	}
	for _, c := range []*definition.Content{own, own.At(registry.Ref{Repository: "127.0.0.1:5000/other", Tag: "x"})} {
		dst := &memory.Registry{}
		g, err := registry.Walk(t.Context(), c, []registry.Ref{c.Ref()}, registry.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := registry.Copy(t.Context(), dst, c, g, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		d, again, err := definition.Load(t.Context(), dst, c.Ref())
		if err != nil || d.Name != "edge" || !bytes.Equal(again, document) {
			t.Errorf("%s: %v", c.Ref(), err)
		}
		for _, p := range d.Parts() {
			content, err := registry.ReadBlob(t.Context(), dst, c.Ref().Repository, registry.Descriptor{Digest: p.Digest, Size: p.Size})
			if err != nil || digest.FromBytes(content) != p.Digest {
				t.Errorf("%s: %v", p.Path, err)
			}
		}
		sigs, err := definition.Signatures(t.Context(), dst, c.Ref())
		if err != nil {
			t.Fatal(err)
		}
		if signers, err := definition.Verify(document, sigs, []trust.Key{a.Key, b.Key}); err != nil || len(signers) != 2 {
			t.Errorf("%q, %v", signers, err)
		}
	}
}

// The manifest is an artifact that other tools understand, the same for the same
// document.
func TestManifest(t *testing.T) {
	t.Parallel()
	document := marshal(t, sample())
	c := pack(t, document)
	desc, content, err := c.Manifest(t.Context(), c.Ref())
	if err != nil || desc.Digest != c.Descriptor().Digest || digest.FromBytes(content) != desc.Digest {
		t.Fatalf("%+v, %v", desc, err)
	}
	m, err := registry.ParseManifest(desc.MediaType, content)
	if err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != definition.ArtifactType || m.Annotations[ocispec.AnnotationVersion] != "1.0.0+7" || len(m.Blobs) != 6 {
		t.Errorf("%+v", m)
	}
	for i, want := range []string{"", "edge-1.0.0+7.def.yaml", "web-1.2.3.tgz", "hello.yaml", "overlay", "sysctl.conf"} {
		if have := m.Blobs[i].Annotations[ocispec.AnnotationTitle]; have != want {
			t.Errorf("layer %d: %q, want %q", i, have, want)
		}
	}
	if other := pack(t, document); other.Descriptor().Digest != desc.Digest {
		t.Error("another manifest the second time")
	}
}

// The law of readers, for what a Content has.
func TestReaderLaw(t *testing.T) {
	t.Parallel()
	document := marshal(t, sample())
	c := pack(t, document, signature(t, document, key(t, trust.ECDSA)))
	ref, nothing := c.Ref(), digest.FromString("nothing")
	for _, r := range []registry.Ref{ref, ref.ByDigest(c.Descriptor().Digest), {Repository: ref.Repository, Tag: "any", Digest: c.Descriptor().Digest}} {
		if d, err := c.Resolve(t.Context(), r); err != nil || d.Digest != c.Descriptor().Digest {
			t.Errorf("%s: %+v, %v", r, d, err)
		}
	}
	for _, r := range []registry.Ref{{Repository: ref.Repository, Tag: "no"}, ref.ByDigest(nothing), {Repository: "example.com/no", Tag: ref.Tag}} {
		if _, err := c.Resolve(t.Context(), r); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", r, err)
		}
		if _, _, err := c.Manifest(t.Context(), r); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", r, err)
		}
	}
	part := registry.Descriptor{Digest: digest.FromString("chart"), Size: 5}
	short := part
	short.Size--
	if _, err := registry.ReadBlob(t.Context(), c, ref.Repository, part); err != nil {
		t.Error(err)
	}
	if _, err := registry.ReadBlob(t.Context(), c, ref.Repository, short); !errors.Is(err, registry.ErrSize) {
		t.Errorf("a size too small: %v", err)
	}
	for repository, d := range map[string]registry.Descriptor{ref.Repository: {Digest: nothing}, "example.com/no": part} {
		if _, err := c.Blob(t.Context(), repository, d); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", repository, err)
		}
	}
	list, err := c.Referrers(t.Context(), ref.Repository, c.Descriptor().Digest)
	if err != nil || len(list) != 1 || list[0].ArtifactType != definition.TypeSignature {
		t.Errorf("%+v, %v", list, err)
	}
	for repository, d := range map[string]digest.Digest{ref.Repository: nothing, "example.com/no": c.Descriptor().Digest} {
		if list, err := c.Referrers(t.Context(), repository, d); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	}
}

// A part that changed on its way is found while it is read; one that is not at hand,
// before anything is.
func TestBadParts(t *testing.T) {
	t.Parallel()
	document := marshal(t, sample())
	list := parts()
	list[digest.FromString("chart")] = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("CHART")), nil }
	list[digest.FromString("folder")] = func() (io.ReadCloser, error) { return nil, errors.New("the disk is gone") }
	c, err := definition.Pack(document, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.ReadBlob(t.Context(), c, c.Ref().Repository, registry.Descriptor{Digest: digest.FromString("chart"), Size: 5}); !errors.Is(err, registry.ErrDigest) {
		t.Errorf("changed: %v", err)
	}
	if _, err := c.Blob(t.Context(), c.Ref().Repository, registry.Descriptor{Digest: digest.FromString("folder"), Size: 6}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("unreadable: %v", err)
	}
	delete(list, digest.FromString("folder"))
	if _, err := definition.Pack(document, list, nil); !errors.Is(err, registry.ErrIncomplete) || !strings.Contains(err.Error(), "overlay of layer base/app") {
		t.Errorf("missing: %v", err)
	}
	if _, err := definition.Pack(append(document, '\n'), parts(), nil); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("an edited document: %v", err)
	}
}

// What is no definition is told, also when it looks like one.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	document := marshal(t, sample())
	c := pack(t, document)
	ref := registry.Ref{Repository: "example.com/x", Tag: "v1"}
	for want, m := range map[string]ocispec.Manifest{
		"not a definition":     {ArtifactType: "application/vnd.example", Layers: []registry.Descriptor{blob(definition.TypeDocument, string(document))}},
		"its type is":          {ArtifactType: definition.ArtifactType, Layers: []registry.Descriptor{blob("text/plain", string(document))}},
		"x:v1:1: invalid: not": {ArtifactType: definition.ArtifactType, Layers: []registry.Descriptor{blob(definition.TypeDocument, "hello")}},
		"is without web-1.2.3": {ArtifactType: definition.ArtifactType, Layers: []registry.Descriptor{blob(definition.TypeDocument, string(document))}},
	} {
		dst := &memory.Registry{}
		m.SchemaVersion, m.MediaType, m.Config = 2, ocispec.MediaTypeImageManifest, blob(ocispec.MediaTypeEmptyJSON, "{}")
		put(t, dst, ref, m, "{}", string(document), "hello")
		if _, _, err := definition.Load(t.Context(), dst, ref); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, _, err := definition.Load(t.Context(), c, ref); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
