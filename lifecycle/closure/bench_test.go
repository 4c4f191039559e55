package closure_test

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/registry"
)

// BenchmarkCheck asks about 200 images of 2 platforms with 10 layers each, two of them
// in a repository.
func BenchmarkCheck(b *testing.B) {
	k := newKit(b)
	k.def.Images = nil
	var refs []registry.Ref
	for n := range 200 {
		name := fmt.Sprintf("registry.example/bench/%03d:v%d", n/2, n)
		ref, err := registry.ParseRef(name)
		k.must(err)
		of := map[digest.Digest]string{}
		var children []registry.Descriptor
		for _, arch := range []string{"amd64", "arm64"} {
			var layers []registry.Descriptor
			for range 10 {
				layers = append(layers, k.up.AddBlob(ref.Repository, 64))
			}
			c := k.up.AddImage(registry.Ref{Repository: ref.Repository}, ocispec.MediaTypeImageManifest, nil, layers...)
			of[c.Digest] = "linux/" + arch
			c.Platform = &registry.Platform{OS: "linux", Architecture: arch}
			children = append(children, c)
		}
		k.up.AddManifest(ref, ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children})
		k.def.Images = append(k.def.Images, k.image(name, of, "linux/amd64", "linux/arm64"))
		refs = append(refs, ref)
	}
	g, err := registry.Walk(b.Context(), k.up, refs, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(b.Context(), k.site, k.up, g, registry.CopyOptions{}))
	for b.Loop() {
		r, err := closure.Check(b.Context(), k.site, k.def, closure.Options{})
		if err != nil || r.State != closure.Complete || r.Digests != len(g.Manifests)+len(g.Blobs) {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}
