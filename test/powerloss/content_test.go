package powerloss

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"sync"
)

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	indexType  = "application/vnd.oci.image.index.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar"
)

// descriptor is an OCI descriptor.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// manifest is what tests write and read of OCI manifests and indexes.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType,omitempty"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
	Subject       *descriptor  `json:"subject,omitempty"`
}

// image is a manifest with all that it needs.
type image struct {
	descriptor
	content  []byte
	blobs    [][]byte
	children []*image
}

// noise are bytes that do not compress and depend on the seed only.
func noise(seed uint64, size int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(content)
	return content
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func describe(mediaType string, content []byte) descriptor {
	return descriptor{mediaType, digestOf(content), len(content)}
}

// layerPool is how many layers images share. Every sixteenth is big.
const layerPool = 64

// pool are the shared layers.
var pool = sync.OnceValue(func() (layers [][]byte) {
	for i := range layerPool {
		size := 512 + i*173
		if i%16 == 0 {
			size = 1<<20 + i
		}
		layers = append(layers, noise(uint64(i), size))
	}
	return layers
})

// newImage makes an image that never was: some shared layers and one of its own.
func newImage(random *rand.Rand, layers int) *image {
	own := noise(random.Uint64(), 1024+random.IntN(12<<10))
	blobs := [][]byte{own}
	for range layers {
		blobs = append(blobs, pool()[random.IntN(layerPool)])
	}
	return imageOf(blobs, imageType, nil)
}

// newAttachment makes an artifact that refers to a manifest.
func newAttachment(random *rand.Rand, subject descriptor) *image {
	return imageOf([][]byte{noise(random.Uint64(), 700)}, "application/vnd.example.signature", &subject)
}

func imageOf(layers [][]byte, artifactType string, subject *descriptor) *image {
	m := manifest{SchemaVersion: 2, MediaType: imageType, Subject: subject}
	if artifactType != imageType {
		m.ArtifactType = artifactType
	}
	for _, l := range layers {
		m.Layers = append(m.Layers, describe(layerType, l))
	}
	config, _ := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "own": m.Layers[0].Digest})
	d := describe(configType, config)
	m.Config = &d
	i := seal(m)
	i.blobs = append(layers, config)
	return i
}

// newIndex makes an index of two new images.
func newIndex(random *rand.Rand) *image {
	children := []*image{newImage(random, 2), newImage(random, 3)}
	m := manifest{SchemaVersion: 2, MediaType: indexType}
	for _, c := range children {
		m.Manifests = append(m.Manifests, c.descriptor)
	}
	i := seal(m)
	i.children = children
	return i
}

func seal(m manifest) *image {
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return &image{descriptor: describe(m.MediaType, content), content: content}
}
