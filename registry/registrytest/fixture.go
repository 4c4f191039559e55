package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

// Repositories of the fixture. Two, so that sharing can be seen.
const (
	App  = "registry.example/team/app"
	Tool = "registry.example/team/tool"
)

// Fixture is content in memory with every shape that content has: an index of
// two platforms, a second image that shares a layer from another repository, a
// Docker manifest, signatures by subject and by tag, an empty layer, SHA-512.
type Fixture struct {
	*memory.Registry
	Index     registry.Descriptor            // App:v1
	Images    map[string]registry.Descriptor // of Index, by architecture
	Tool      registry.Descriptor            // Tool:v2, a Docker manifest
	Signature registry.Descriptor            // refers to Index
	Layer     registry.Descriptor            // in App and in Tool
	Content   map[digest.Digest][]byte       // of every blob and manifest
	Names     []registry.Ref                 // App:v1, Tool:v2
	Graph     *registry.Graph                // the closure of Names
	random    *rand.Rand
	t         testing.TB
}

// NewFixture makes the same content each time.
func NewFixture(t testing.TB) *Fixture {
	t.Helper()
	f := &Fixture{
		Registry: &memory.Registry{},
		Images:   map[string]registry.Descriptor{},
		Content:  map[digest.Digest][]byte{},
		random:   rand.New(rand.NewPCG(1, 2)),
		t:        t,
	}
	f.Layer = f.AddBlob(App, 70_000)
	var children []registry.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		d := f.AddImage(registry.Ref{Repository: App}, ocispec.MediaTypeImageManifest, nil, f.Layer, f.AddBlob(App, 3000), f.AddBlob(App, 0))
		d.Platform = &registry.Platform{OS: "linux", Architecture: arch}
		f.Images[arch] = d
		children = append(children, d)
	}
	f.Index = f.AddManifest(registry.Ref{Repository: App, Tag: "v1"}, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: children,
	})
	f.Signature = f.AddImage(registry.Ref{Repository: App}, ocispec.MediaTypeImageManifest, &f.Index, f.AddBlob(App, 512))
	f.AddImage(registry.Ref{Repository: App, Tag: "sha256-" + f.Index.Digest.Encoded() + ".sig"}, ocispec.MediaTypeImageManifest, nil, f.AddBlob(App, 99))
	f.put(Tool, f.Layer, f.Content[f.Layer.Digest])
	f.Tool = f.AddImage(registry.Ref{Repository: Tool, Tag: "v2"}, registry.MediaTypeDockerManifest, nil, f.Layer, f.blob(Tool, digest.SHA512, 5000))
	f.Names = []registry.Ref{{Repository: App, Tag: "v1"}, {Repository: Tool, Tag: "v2"}}
	graph, err := registry.Walk(context.Background(), f, f.Names, registry.WalkOptions{})
	f.must(err)
	f.Graph = graph
	return f
}

func (f *Fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// AddBlob puts size random bytes into a repository as a layer.
func (f *Fixture) AddBlob(repository string, size int) registry.Descriptor {
	return f.blob(repository, digest.SHA256, size)
}

func (f *Fixture) blob(repository string, algorithm digest.Algorithm, size int) registry.Descriptor {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(f.random.Uint32())
	}
	d := registry.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: algorithm.FromBytes(content), Size: int64(size)}
	f.put(repository, d, content)
	return d
}

func (f *Fixture) put(repository string, d registry.Descriptor, content []byte) {
	f.Content[d.Digest] = content
	f.must(f.PutBlob(context.Background(), repository, d, bytes.NewReader(content)))
}

// AddImage puts an image manifest with a config of its own over the layers.
func (f *Fixture) AddImage(ref registry.Ref, mediaType string, subject *registry.Descriptor, layers ...registry.Descriptor) registry.Descriptor {
	config := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","seed":%d}`, f.random.Uint64()))
	d := registry.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}
	f.put(ref.Repository, d, config)
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Config: d, Layers: layers, Subject: subject}
	if subject != nil {
		m.ArtifactType = "application/vnd.example.signature"
		m.Annotations = map[string]string{"org.example.signer": "law"}
	}
	return f.AddManifest(ref, mediaType, m)
}

// AddManifest puts any manifest; without a tag it is put by digest.
func (f *Fixture) AddManifest(ref registry.Ref, mediaType string, m any) registry.Descriptor {
	content, err := json.Marshal(m)
	f.must(err)
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	if ref.Tag == "" {
		ref.Digest = d.Digest
	}
	f.Content[d.Digest] = content
	f.must(f.PutManifest(context.Background(), ref, d, content))
	return d
}
