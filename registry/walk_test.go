package registry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

func platforms(t *testing.T, texts ...string) (list []registry.Platform) {
	t.Helper()
	for _, text := range texts {
		p, err := registry.ParsePlatform(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// buildkit makes an index as BuildKit does: two images, and an attestation
// manifest of unknown platform for each.
func buildkit(t *testing.T, f *registrytest.Fixture) map[string]digest.Digest {
	t.Helper()
	ref := registry.Ref{Repository: registrytest.App}
	parts := map[string]digest.Digest{}
	var children []registry.Descriptor
	for _, p := range []registry.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}, {OS: "linux", Architecture: "arm", Variant: "v7"}} {
		image := f.AddImage(ref, ocispec.MediaTypeImageManifest, nil, f.AddBlob(ref.Repository, 10))
		image.Platform = &p
		attestation := f.AddImage(ref, ocispec.MediaTypeImageManifest, nil, f.AddBlob(ref.Repository, 10))
		attestation.Platform = &registry.Platform{OS: "unknown", Architecture: "unknown"}
		attestation.Annotations = map[string]string{"vnd.docker.reference.digest": image.Digest.String()}
		parts[p.Architecture], parts[p.Architecture+" attestation"] = image.Digest, attestation.Digest
		children = append(children, image, attestation)
	}
	f.AddManifest(registry.Ref{Repository: ref.Repository, Tag: "buildkit"}, ocispec.MediaTypeImageIndex,
		ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: children})
	return parts
}

func TestWalkPlatforms(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	parts := buildkit(t, f)
	ref := registry.Ref{Repository: registrytest.App, Tag: "buildkit"}
	for want, carried := range map[string][]string{
		"linux/arm64":    {"arm64", "arm64 attestation"},
		"linux/arm64/v8": {"arm64", "arm64 attestation"},
		"linux/arm":      {"arm", "arm attestation"},
		"linux/arm/v7":   {"arm", "arm attestation"},
	} {
		g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{Platforms: platforms(t, want)})
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Manifests) != len(carried)+1 {
			t.Errorf("%s carries %d manifests, want the index and %v", want, len(g.Manifests), carried)
		}
		for _, name := range carried {
			if !strings.Contains(digests(g), parts[name].String()) {
				t.Errorf("%s does not carry %s", want, name)
			}
		}
	}
	for _, none := range []string{"linux/arm/v6", "windows/arm64", "linux/s390x"} {
		_, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{Platforms: platforms(t, none)})
		if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "linux/arm64/v8") {
			t.Errorf("%s: %v, want ErrNotFound that lists what there is", none, err)
		}
	}
}

// An image without an index is held against the platforms too.
func TestWalkPlatformOfImage(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	tool := f.Names[1:] // its config says linux/amd64
	if _, err := registry.Walk(t.Context(), f, tool, registry.WalkOptions{Platforms: platforms(t, "linux/amd64")}); err != nil {
		t.Error(err)
	}
	_, err := registry.Walk(t.Context(), f, tool, registry.WalkOptions{Platforms: platforms(t, "linux/arm64")})
	if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "the image is for linux/amd64") {
		t.Errorf("%v, want ErrNotFound that says what it is for", err)
	}
}

// Several names of one image are one image.
func TestWalkSameImageByManyNames(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	var refs []registry.Ref
	for _, tag := range []string{"a", "b", "c", "d", "e"} {
		ref := registry.Ref{Repository: registrytest.Tool, Tag: tag}
		if err := f.PutManifest(t.Context(), ref, f.Tool, f.Content[f.Tool.Digest]); err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref, ref.ByDigest(f.Tool.Digest))
	}
	for range 100 {
		g, err := registry.Walk(t.Context(), f, refs, registry.WalkOptions{Platforms: platforms(t, "linux/amd64")})
		if err != nil || len(g.Manifests) != 1 || len(g.Names) != 6 {
			t.Fatalf("%d manifests, %d names, %v", len(g.Manifests), len(g.Names), err)
		}
	}
}

// One tag cannot stand for two things.
func TestWalkRefusesTwoMeanings(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	pinned := registry.Ref{Repository: registrytest.App, Tag: "v1", Digest: f.Images["arm64"].Digest}
	_, err := registry.Walk(t.Context(), f, []registry.Ref{f.Names[0], pinned}, registry.WalkOptions{})
	if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "different content") {
		t.Errorf("%v, want ErrInvalid", err)
	}
}

func digests(g *registry.Graph) (s string) {
	for _, m := range g.Manifests {
		s += m.Descriptor.Digest.String() + " "
	}
	return s
}

func TestWalkNamesEveryUnknownReference(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	unknown := []registry.Ref{{Repository: registrytest.App, Tag: "no1"}, {Repository: "registry.example/x", Tag: "no2"}}
	_, err := registry.Walk(t.Context(), f, append(unknown, f.Names...), registry.WalkOptions{})
	var side *registry.CopyError
	if !errors.Is(err, registry.ErrNotFound) || !errors.As(err, &side) || side.Side != "source" {
		t.Fatalf("%v, want the source's ErrNotFound", err)
	}
	for _, ref := range unknown {
		if !strings.Contains(err.Error(), ref.String()) {
			t.Errorf("%v does not name %s", err, ref)
		}
	}
}

func TestWalkWithoutReferrers(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	g, err := registry.Walk(t.Context(), f, f.Names, registry.WalkOptions{NoReferrers: true})
	if err != nil || len(g.Names) != 2 || strings.Contains(digests(g), f.Signature.Digest.String()) {
		t.Errorf("names %v, manifests %s, %v: want no signature", g.Names, digests(g), err)
	}
}

// unlisted is a source that cannot list tags.
type unlisted struct{ registry.Reader }

// Signature tags are found by asking when they cannot be listed.
func TestWalkProbesSignatureTags(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	g, err := registry.Walk(t.Context(), unlisted{f}, f.Names, registry.WalkOptions{})
	if err != nil || len(g.Names) != 3 {
		t.Errorf("names %v, %v: want the signature tag among them", g.Names, err)
	}
}

// flipped is a source whose layers are damaged.
type flipped struct{ *registrytest.Fixture }

func (s flipped) Blob(_ context.Context, _ string, d registry.Descriptor) (io.ReadCloser, error) {
	content := bytes.Clone(s.Content[d.Digest])
	if len(content) > 0 {
		content[0] ^= 1
	}
	return registry.VerifyReadCloser(io.NopCloser(bytes.NewReader(content)), d), nil
}

// full is a destination without room.
type full struct{ *memory.Registry }

func (full) Reserve(context.Context, int64) error { return registry.ErrNoSpace }

func TestCopyNamesTheSide(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	for want, err := range map[string]error{
		"source":      registry.Copy(t.Context(), &memory.Registry{}, flipped{f}, f.Graph, registry.CopyOptions{}),
		"destination": registry.Copy(t.Context(), full{&memory.Registry{}}, f, f.Graph, registry.CopyOptions{}),
	} {
		var side *registry.CopyError
		if !errors.As(err, &side) || side.Side != want {
			t.Errorf("%v: want the %s blamed", err, want)
		}
	}
}

// An index that two repositories share, complete in one of them only, is copied
// from where its parts are.
func TestCopySparseSharedIndex(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	sparse := registry.Ref{Repository: "a.example/x", Tag: "v1"} // before App in every order
	if err := f.PutManifest(t.Context(), sparse, f.Index, f.Content[f.Index.Digest]); err != nil {
		t.Fatal(err)
	}
	g, err := registry.Walk(t.Context(), f, []registry.Ref{sparse, f.Names[0]}, registry.WalkOptions{Sparse: true})
	if err != nil {
		t.Fatal(err)
	}
	dst := &memory.Registry{}
	if err := registry.Copy(t.Context(), dst, f, g, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []registry.Ref{sparse, f.Names[0]} {
		if d, err := dst.Resolve(t.Context(), ref); err != nil || d.Digest != f.Index.Digest {
			t.Errorf("%s: %s, %v", ref, d.Digest, err)
		}
	}
}

// A copy that is interrupted stops, and shows no name.
func TestCopyIsInterrupted(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	dst := &memory.Registry{}
	err := registry.Copy(ctx, dst, f, f.Graph, registry.CopyOptions{Jobs: 1, Progress: func(e registry.Event) {
		if e.Kind == registry.Finished {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Copy: %v, want context.Canceled", err)
	}
	for repository := range dst.Repositories(t.Context(), "") {
		for tag := range dst.Tags(t.Context(), repository, "") {
			t.Errorf("%s:%s is visible", repository, tag)
		}
	}
}
