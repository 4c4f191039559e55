package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// must takes the error of building a value that cannot fail here.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// flavour is one of the two families of media types.
type flavour struct{ index, manifest, config, layer types.MediaType }

var (
	oci      = flavour{types.OCIImageIndex, types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer}
	dockerV2 = flavour{types.DockerManifestList, types.DockerManifestSchema2, types.DockerConfigJSON, types.DockerLayer}
)

// layer is a tar with one file, in gzip that does not spend time to compress.
func layer(t *testing.T, as flavour, path string, content []byte) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: int64(len(content)), Mode: 0o755}
	if err := w.WriteHeader(header); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return must(tarball.LayerFromOpener(open, tarball.WithMediaType(as.layer), tarball.WithCompressionLevel(gzip.NoCompression)))(t)
}

// noise is incompressible and the same for the same seed.
func noise(seed uint64, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(content)
	return content
}

// helloIndex is an image for amd64 and arm64 that prints says. The first layer
// is the same in every one of them.
func helloIndex(t *testing.T, as flavour, says string) v1.ImageIndex {
	t.Helper()
	index := mutate.IndexMediaType(empty.Index, as.index)
	for _, arch := range []string{"amd64", "arm64"} {
		hello, err := os.ReadFile(tool("hello-" + arch))
		if err != nil {
			t.Fatal(err)
		}
		img := image(t, as, arch, layer(t, as, "shared", noise(1, 64<<10)), layer(t, as, "hello", hello))
		config := must(img.ConfigFile())(t).DeepCopy()
		config.Config.Entrypoint, config.Config.Cmd = []string{"/hello"}, []string{says}
		img = must(mutate.ConfigFile(img, config))(t)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        img,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	return plain{index}
}

// plain is an index whose descriptors state no artifact type, as other tools
// write them: skopeo before 1.10 drops it and then cannot keep the digest.
type plain struct{ index }

// index can be embedded: v1.ImageIndex has a method of its own name.
type index = v1.ImageIndex

func (p plain) IndexManifest() (*v1.IndexManifest, error) {
	manifest, err := p.index.IndexManifest()
	if err != nil {
		return nil, err
	}
	manifest = manifest.DeepCopy()
	for i := range manifest.Manifests {
		manifest.Manifests[i].ArtifactType = ""
	}
	return manifest, nil
}

func (p plain) RawManifest() ([]byte, error) {
	manifest, err := p.IndexManifest()
	if err != nil {
		return nil, err
	}
	return json.Marshal(manifest)
}

func (p plain) Digest() (v1.Hash, error) { return partial.Digest(p) }
func (p plain) Size() (int64, error)     { return partial.Size(p) }

// image is an image of the layers.
func image(t *testing.T, as flavour, arch string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, as.manifest), as.config)
	config := must(img.ConfigFile())(t).DeepCopy()
	config.OS, config.Architecture = "linux", arch
	img = must(mutate.ConfigFile(img, config))(t)
	return must(mutate.AppendLayers(img, layers...))(t)
}

// noiseImage has layers with noise of the size in bytes.
func noiseImage(t *testing.T, seed uint64, layers, size int) v1.Image {
	t.Helper()
	var made []v1.Layer
	for i := range layers {
		made = append(made, layer(t, oci, "noise", noise(seed+uint64(i), size)))
	}
	return image(t, oci, "amd64", made...)
}

// attachment is an artifact in the manner of a signature; with a subject it is
// that one's referrer.
func attachment(t *testing.T, text string, subject *v1.Descriptor) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.example.signature.v1+json")
	img = must(mutate.AppendLayers(img, static.NewLayer([]byte(text), "application/vnd.example.signature.payload")))(t)
	if subject != nil {
		img = mutate.Subject(img, *subject).(v1.Image)
	}
	return img
}

// push writes an image or index to a registry on loopback.
func push(t *testing.T, ref string, content remote.Taggable) v1.Hash {
	t.Helper()
	parsed := must(name.ParseReference(ref, name.Insecure))(t)
	var err error
	switch content := content.(type) {
	case v1.Image:
		err = remote.Write(parsed, content)
	case v1.ImageIndex:
		err = remote.WriteIndex(parsed, content)
	default:
		t.Fatalf("push %T", content)
	}
	if err != nil {
		t.Fatalf("push %s: %v", ref, err)
	}
	return digestOf(t, ref)
}

// descriptorOf asks the registry.
func descriptorOf(t *testing.T, ref string) v1.Descriptor {
	t.Helper()
	return must(remote.Get(must(name.ParseReference(ref, name.Insecure))(t)))(t).Descriptor
}

func digestOf(t *testing.T, ref string) v1.Hash {
	t.Helper()
	return descriptorOf(t, ref).Digest
}
