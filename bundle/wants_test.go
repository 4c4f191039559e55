package bundle_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/wants"
)

// What is wanted and does not exist is named.
func TestWantsOfNothing(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	gone := "sha256:" + digest.Digest(strings.Repeat("1", 64))
	w := &wants.Wants{Bundle: strings.Repeat("0a", 16), Format: wants.OfBundle, Wants: []wants.Want{
		{Digest: gone, Kind: wants.Blob, Repositories: []string{registrytest.App}, Size: 7},
	}}
	g, err := w.Find(t.Context(), f, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = bundle.Export(t.Context(), t.TempDir()+"/b", f, g, created, registry.CopyOptions{})
	if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), gone.String()) {
		t.Errorf("a blob: %v", err)
	}
}

// defined is a definition of the fixture's images, the second for one platform only.
func defined(t *testing.T, f *registrytest.Fixture) *definition.Definition {
	t.Helper()
	d := &definition.Definition{
		APIVersion: definition.APIVersion, Kind: definition.Kind, Name: "edge", Version: "1.0.0",
		Repository: definition.DefaultRepository + "/edge", Profile: digest.FromString("profile"),
		Platforms: []string{"linux/amd64", "linux/arm64"},
		Layers:    []definition.Layer{{Name: "app", Type: profile.Addon, Upgrade: definition.Upgrade{Policy: "inPlace"}}},
	}
	other := f.AddManifest(registry.Ref{Repository: registrytest.Tool, Tag: "both"}, f.Index.MediaType, indexOf(t, f))
	for name, platforms := range map[string][]string{registrytest.App + ":v1": {"linux/amd64", "linux/arm64"}, registrytest.Tool + ":both": {"linux/amd64"}, registrytest.Tool + ":v2@" + f.Tool.Digest.String(): nil} {
		ref, err := registry.ParseRef(name)
		if err != nil {
			t.Fatal(err)
		}
		var only []registry.Platform
		for _, text := range platforms {
			p, err := registry.ParsePlatform(text)
			if err != nil {
				t.Fatal(err)
			}
			only = append(only, p)
		}
		g, err := registry.Walk(t.Context(), f, []registry.Ref{ref}, registry.WalkOptions{Platforms: only})
		if err != nil {
			t.Fatal(err)
		}
		d.Images = append(d.Images, imageOf(f, name, platforms, ref, g))
	}
	slices.SortFunc(d.Images, func(a, b definition.Image) int { return strings.Compare(a.Name, b.Name) })
	if other.Digest == f.Index.Digest {
		t.Fatal("two indexes are one")
	}
	return d
}

// indexOf is another index, of images of its own repository.
func indexOf(t *testing.T, f *registrytest.Fixture) map[string]any {
	t.Helper()
	var children []registry.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		c := f.AddImage(registry.Ref{Repository: registrytest.Tool}, "application/vnd.oci.image.manifest.v1+json", nil, f.AddBlob(registrytest.Tool, 400))
		c.Platform = &registry.Platform{OS: "linux", Architecture: arch}
		f.Images["tool "+arch] = c
		children = append(children, c)
	}
	return map[string]any{"schemaVersion": 2, "mediaType": f.Index.MediaType, "manifests": children}
}

func imageOf(f *registrytest.Fixture, name string, platforms []string, ref registry.Ref, g *registry.Graph) definition.Image {
	i := definition.Image{Name: name, Platforms: platforms, Sure: find.Declared, Why: []definition.Reason{{Layer: "app", Rule: "profile", Sure: find.Declared}}}
	of := map[digest.Digest]string{}
	for arch, m := range f.Images {
		of[m.Digest] = "linux/" + strings.TrimPrefix(arch, "tool ")
	}
	for _, n := range g.Names {
		if n.Ref == ref {
			i.Digest = n.Descriptor.Digest
		}
	}
	i.Manifests = definition.ManifestsOf(g, of)
	return i
}

// gate asks the closure gate of a site.
func gate(t *testing.T, s closure.Site, d *definition.Definition) *closure.Report {
	t.Helper()
	r, err := closure.Check(t.Context(), s, d, closure.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bringWanted makes a bundle of what the gate wants and lands it; it returns its
// header and what was wanted.
func bringWanted(t *testing.T, f registry.Reader, s *store.Store, r *closure.Report, d *definition.Definition) (*bundle.Header, *wants.Wants) {
	t.Helper()
	content, err := r.Wants(d).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w, err := wants.Parse("wants", content)
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	src := w.Source(f, nil)
	g, err := w.Find(t.Context(), src, registry.WalkOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "wanted")
	h := export(t, path, src, g, bundle.CreateOptions{Have: w.Have(), For: w.Site, Platforms: w.Selected()})
	if err := land(t, s, path); err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	return h, w
}

// Whatever a site has, the bundle of what it wants makes the gate open, and carries
// what was wanted: all blobs of that, no other, and beside the wanted manifests only
// those above something that is wanted.
func TestWantedOpensTheGate(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for round := range 9 {
		f := registrytest.NewFixture(t)
		d := defined(t, f)
		s := newSite(t)
		all, err := registry.Walk(t.Context(), f, d.Refs(), registry.WalkOptions{})
		if err != nil {
			t.Fatal(err)
		}
		fillPart(t, f, s, all, random, round)
		r := gate(t, s, d)
		if r.State == closure.Complete {
			continue
		}
		h, w := bringWanted(t, f, s, r, d)
		exact(t, h, w)
		if r := gate(t, s, d); r.State != closure.Complete {
			t.Fatalf("round %d: %s: %+v", round, r.Summary(), r.Items)
		}
	}
}

// fillPart brings some of a graph: nothing, some content without names, or all but one
// blob, which is damaged on the disk.
func fillPart(t *testing.T, f *registrytest.Fixture, s *store.Store, all *registry.Graph, random *rand.Rand, round int) {
	t.Helper()
	if round%3 == 0 {
		return
	}
	have := map[digest.Digest]bool{}
	for _, n := range slices.Concat(all.Manifests, all.Blobs) {
		have[n.Descriptor.Digest] = round%3 == 2 || random.IntN(3) > 0
	}
	part := sub(all, func(d digest.Digest) bool { return have[d] })
	for _, m := range part.Manifests {
		have[m.Descriptor.Digest] = carries(part, m)
	}
	part = sub(all, func(d digest.Digest) bool { return have[d] })
	if round%3 == 2 {
		part.Names = all.Names
	}
	if err := registry.Copy(t.Context(), s, f, part, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if round%3 == 2 {
		lost := all.Blobs[random.IntN(len(all.Blobs))].Descriptor
		file, err := s.OpenAnywhere(t.Context(), lost.Digest, lost.Size)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		if lost.Size > 0 {
			if err := os.Truncate(file.Name(), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// exact compares what a bundle carries with what was wanted.
func exact(t *testing.T, h *bundle.Header, w *wants.Wants) {
	t.Helper()
	wanted := map[digest.Digest]string{}
	for _, want := range w.Wants {
		wanted[want.Digest] = want.Kind
	}
	for _, b := range h.Blobs {
		if wanted[b.Digest] != wants.Blob {
			t.Errorf("blob %s is carried and was not wanted", b.Digest)
		}
		delete(wanted, b.Digest)
	}
	for _, m := range h.Manifests {
		delete(wanted, m.Digest)
	}
	for d, kind := range wanted {
		t.Errorf("%s %s was wanted and is not carried", kind, d)
	}
	if len(w.Wants) == 0 && len(h.Blobs)+len(h.Manifests) > 0 {
		t.Errorf("names alone were wanted: %+v", h)
	}
}
