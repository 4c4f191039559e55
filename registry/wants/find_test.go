package wants_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/wants"
)

// What is wanted for a bundle and does not exist is named.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	w := ofBundle()
	w.Wants = w.Wants[1:]
	if _, err := w.Find(t.Context(), f, registry.WalkOptions{}); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), w.Wants[0].Digest.String()) {
		t.Errorf("a manifest: %v", err)
	}
}

// want is one of the fixture's digests as a want.
func want(t *testing.T, g *registry.Graph, d digest.Digest, items ...string) wants.Want {
	t.Helper()
	for _, n := range g.Manifests {
		if n.Descriptor.Digest == d {
			return wants.Want{Digest: d, Kind: wants.Manifest, Repositories: n.Repositories, Size: n.Descriptor.Size, For: items}
		}
	}
	for _, n := range g.Blobs {
		if n.Descriptor.Digest == d {
			return wants.Want{Digest: d, Kind: wants.Blob, Repositories: n.Repositories, Size: n.Descriptor.Size, For: items}
		}
	}
	t.Fatalf("%s is not of the fixture", d)
	return wants.Want{}
}

// listOf wants some digests of the fixture.
func listOf(t *testing.T, f *registrytest.Fixture, digests ...digest.Digest) *wants.Wants {
	t.Helper()
	w := &wants.Wants{Format: wants.OfDefinition, Definition: &wants.DefinitionID{Name: "edge", Version: "1.0.0", Document: sha("d")},
		Names: []wants.Pinned{{Name: registrytest.App + ":v1", Digest: f.Index.Digest}, {Name: registrytest.Tool + ":v2", Digest: f.Tool.Digest}}}
	for _, d := range digests {
		w.Wants = append(w.Wants, want(t, f.Graph, d, "item"))
	}
	slices.SortFunc(w.Wants, func(a, b wants.Want) int { return cmp.Compare(a.Digest, b.Digest) })
	content, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w, err = wants.Parse("w", content)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func manifestsOf(g *registry.Graph) (list []digest.Digest) {
	for _, n := range g.Manifests {
		list = append(list, n.Descriptor.Digest)
	}
	slices.Sort(list)
	return list
}

// Pinned names are followed; of what is beside an image comes what is wanted alone.
func TestFindPinned(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	images := []digest.Digest{f.Index.Digest, f.Images["amd64"].Digest, f.Images["arm64"].Digest, f.Tool.Digest}
	for name, c := range map[string]struct {
		wanted []digest.Digest
		beside []digest.Digest
	}{
		"a layer":     {wanted: []digest.Digest{f.Layer.Digest}},
		"a signature": {[]digest.Digest{f.Signature.Digest}, []digest.Digest{f.Signature.Digest}},
		// Its manifest is at the site: it is found by what the registry tells.
		"a signature's blob": {[]digest.Digest{blobOf(t, f, f.Signature.Digest)}, []digest.Digest{f.Signature.Digest}},
		"names alone":        {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listOf(t, f, c.wanted...)
			g, err := w.Find(t.Context(), f, registry.WalkOptions{})
			if err != nil {
				t.Fatal(err)
			}
			expected := append(slices.Clone(images), c.beside...)
			slices.Sort(expected)
			if got := manifestsOf(g); !slices.Equal(got, expected) {
				t.Errorf("manifests %v\nwant %v", got, expected)
			}
			if len(g.Names) != 2 || g.Names[0].Ref.String() != registrytest.App+":v1" || g.Names[0].Descriptor.Digest != f.Index.Digest {
				t.Errorf("names %+v", g.Names)
			}
			have := w.Have()
			for _, d := range c.wanted {
				if have(d) {
					t.Errorf("%s is left out", d)
				}
			}
			if !have(f.Images["amd64"].Digest) {
				t.Error("what nobody wants is carried")
			}
		})
	}
}

func blobOf(t *testing.T, f *registrytest.Fixture, manifest digest.Digest) digest.Digest {
	t.Helper()
	for _, n := range f.Graph.Manifests {
		if n.Descriptor.Digest == manifest {
			return n.Manifest.Blobs[1].Digest
		}
	}
	t.Fatal("no such manifest")
	return ""
}

// A tag that cosign keeps is a name like any other.
func TestFindCompanion(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	tag := registry.Ref{Repository: registrytest.App, Tag: registry.SignatureTag(f.Index.Digest)}
	d, err := f.Resolve(t.Context(), tag)
	if err != nil {
		t.Fatal(err)
	}
	w := listOf(t, f, d.Digest)
	w.Names = []wants.Pinned{{Name: tag.String(), Digest: d.Digest}}
	g, err := w.Find(t.Context(), f, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := manifestsOf(g); !slices.Equal(got, []digest.Digest{d.Digest}) {
		t.Errorf("manifests %v", got)
	}
}

// Platforms choose what of indexes comes, of all or of one name.
func TestFindPlatforms(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	for name, change := range map[string]func(*wants.Wants){
		"of the list": func(w *wants.Wants) { w.Platforms = []string{"linux/arm64"} },
		"of the name": func(w *wants.Wants) {
			w.Platforms, w.Names[0].Platforms = []string{"linux/amd64", "linux/arm64"}, []string{"linux/arm64"}
		},
	} {
		w := listOf(t, f, f.Images["arm64"].Digest)
		change(w)
		g, err := w.Find(t.Context(), f, registry.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := manifestsOf(g); slices.Contains(got, f.Images["amd64"].Digest) || !slices.Contains(got, f.Images["arm64"].Digest) {
			t.Errorf("%s: manifests %v", name, got)
		}
		if got := registry.PlatformString(w.Selected()[len(w.Selected())-1]); got != "linux/arm64" {
			t.Errorf("%s: selected %s", name, got)
		}
	}
}

// without is a registry that has lost something.
type without struct {
	registry.Reader
	lost digest.Digest
}

func (r without) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if ref.Digest == r.lost {
		return registry.Descriptor{}, nil, registry.ErrNotFound
	}
	return r.Reader.Manifest(ctx, ref)
}

// What is wanted and cannot be had is named with repository, digest and item.
func TestFindTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	arm64 := f.Images["arm64"].Digest
	names := func(w *wants.Wants) *wants.Wants {
		w.Wants[0].For = []string{"registry.example/team/app:v1"}
		return w
	}
	for name, c := range map[string]struct {
		list *wants.Wants
		src  registry.Reader
		text []string
		is   error
	}{
		"a platform":      {names(listOf(t, f, arm64)), without{f, arm64}, []string{registrytest.App + "@" + arm64.String(), "wanted for registry.example/team/app:v1"}, registry.ErrNotFound},
		"a root":          {listOf(t, f, arm64), without{f, f.Index.Digest}, []string{registrytest.App + "@" + f.Index.Digest.String()}, registry.ErrNotFound},
		"a strange blob":  {strange(listOf(t, f, f.Layer.Digest)), f, []string{sha("1").String(), "wanted for item: no name of the list reaches it"}, registry.ErrNotFound},
		"a wrong size":    {resized(listOf(t, f, f.Layer.Digest)), f, []string{f.Layer.Digest.String(), "the list says 7 bytes, its manifest 70000"}, registry.ErrInvalid},
		"the definition":  {ofArtifact(listOf(t, f)), f, []string{"definitions.landfall.dev/edge", "part of definition edge 1.0.0 itself: name the definition's file, too, with --definition"}, registry.ErrNotFound},
		"what it says of": {badPlatform(listOf(t, f)), f, []string{"platform"}, registry.ErrInvalid},
	} {
		_, err := c.list.Find(t.Context(), c.src, registry.WalkOptions{})
		if !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range c.text {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v\nwant %s", name, err, text)
			}
		}
	}
	// A platform that nobody wants may be gone.
	if _, err := listOf(t, f, f.Layer.Digest).Find(t.Context(), without{f, arm64}, registry.WalkOptions{}); err != nil {
		t.Error(err)
	}
}

func strange(w *wants.Wants) *wants.Wants { w.Wants[0].Digest = sha("1"); return w }
func resized(w *wants.Wants) *wants.Wants { w.Wants[0].Size = 7; return w }
func badPlatform(w *wants.Wants) *wants.Wants {
	w.Names[0].Platforms = []string{"linux"}
	return w
}

func ofArtifact(w *wants.Wants) *wants.Wants {
	w.Definition.Repository = "definitions.landfall.dev/edge"
	w.Names = append(w.Names, wants.Pinned{Name: "definitions.landfall.dev/edge:1.0.0", Digest: sha("5")})
	return w
}

// The definition's own repository is read from its artifact, everything else from the
// registries; also blobs are told of with their item.
func TestSource(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	own := registrytest.NewFixture(t)
	w := listOf(t, f, f.Layer.Digest)
	w.Definition.Repository = registrytest.Tool // for the test: own has it
	if _, err := w.Find(t.Context(), &registry.Routed{Reader: f, Of: map[string]registry.Reader{registrytest.Tool: own}}, registry.WalkOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := w.Find(t.Context(), &registry.Routed{Reader: f}, registry.WalkOptions{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a registry was asked for the definition: %v", err)
	}
	src := w.Source(f, own)
	if _, err := src.Resolve(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"}); err != nil {
		t.Error(err)
	}
	g, err := w.Find(t.Context(), src, registry.WalkOptions{})
	if err != nil || len(g.Names) != 2 {
		t.Fatalf("%+v, %v", g, err)
	}
	if list, err := src.Referrers(t.Context(), registrytest.App, f.Index.Digest); err != nil || len(list) != 1 {
		t.Errorf("referrers %v, %v", list, err)
	}
	bare := w.Source(f, nil)
	if list, err := bare.Referrers(t.Context(), registrytest.Tool, f.Tool.Digest); err != nil || len(list) != 0 {
		t.Errorf("referrers %v, %v", list, err)
	}
	for name, get := range map[string]func() error{
		"resolve": func() error {
			_, err := bare.Resolve(t.Context(), registry.Ref{Repository: registrytest.Tool, Tag: "v2"})
			return err
		},
		"blob": func() error {
			_, err := bare.Blob(t.Context(), registrytest.Tool, f.Layer)
			return err
		},
	} {
		if err := get(); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "--definition") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.Source(own, own).Blob(t.Context(), "registry.example/other", f.Layer); !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "(wanted for item)") {
		t.Errorf("a blob: %v", err)
	}
}

// Items are named, many are counted.
func TestManyItems(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	w := listOf(t, f, f.Layer.Digest)
	w.Wants[0].For = []string{"a", "b", "c", "d", "e"}
	if _, err := w.Source(f, nil).Blob(t.Context(), "registry.example/other", f.Layer); err == nil || !strings.Contains(err.Error(), "wanted for a, b, c and 2 more") {
		t.Error(err)
	}
	if got := w.Bytes(); got != 70000 {
		t.Errorf("%d bytes", got)
	}
	if ofBundle().Have() != nil || ofBundle().WantsArtifact() {
		t.Error("a list of a bundle leaves something out")
	}
}

// An index that has others many times over is read once.
func TestFindNested(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	below := registry.Bare(f.Tool)
	for range 60 {
		below = registry.Bare(f.AddManifest(registry.Ref{Repository: registrytest.Tool, Tag: "deep"}, ocispec.MediaTypeImageIndex,
			ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []registry.Descriptor{below, below}}))
	}
	w := listOf(t, f)
	w.Names = []wants.Pinned{{Name: registrytest.Tool + ":deep", Digest: below.Digest}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if g, err := w.Find(ctx, f, registry.WalkOptions{}); err != nil || len(g.Manifests) != 61 {
		t.Errorf("%+v, %v", g, err)
	}
}
