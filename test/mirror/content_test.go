package mirror

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
)

// Media types of what the tests make.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	emptyType    = "application/vnd.oci.empty.v1+json"
	sbomType     = "application/spdx+json"
	reportType   = "application/vnd.example.report"
)

// image is a manifest with all that belongs to it.
type image struct {
	repository, tag string // without a tag it is asked for by digest
	kind            string // media type
	manifest        []byte
	blobs           [][]byte
	below           []image // of an index
	subject         string  // digest of what it is about, and then
	artifact        string  // what it is
}

func (i image) digest() string { return digestOf(i.manifest) }

func (i image) name() string { return i.repository + ":" + i.tag }

// reference is how it is asked for.
func (i image) reference() string {
	if i.tag != "" {
		return i.tag
	}
	return i.digest()
}

// as is the same content under another tag.
func (i image) as(tag string) image {
	i.tag = tag
	return i
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

var seeds atomic.Uint64

// noise is bytes that nobody has had before.
func noise(size int) []byte {
	content := make([]byte, size)
	var key [32]byte
	copy(key[:], fmt.Sprint("mirror ", seeds.Add(1)))
	_, _ = rand.NewChaCha8(key).Read(content)
	return content
}

// fresh is the first part of repositories that no other test has.
func fresh() string { return fmt.Sprintf("t%d", seeds.Add(1)) }

// descriptor is what manifests name content with.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     map[string]string `json:"platform,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

func describe(kind string, content []byte) descriptor {
	return descriptor{MediaType: kind, Digest: digestOf(content), Size: len(content)}
}

// document is a manifest or an index.
type document struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType,omitempty"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
	Subject       *descriptor  `json:"subject,omitempty"`
}

// seal writes the manifest of an image.
func (i image) seal(d document) image {
	d.SchemaVersion, d.MediaType = 2, i.kind
	i.manifest, _ = json.Marshal(d)
	return i
}

// newImage is an image for a platform's architecture.
func newImage(repository, tag, architecture string, layers ...[]byte) image {
	config := fmt.Appendf(nil, `{"architecture":%q,"os":"linux","created":"2026-01-02T03:04:05Z","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"seed":"%d"}}}`, architecture, seeds.Add(1))
	i := image{repository: repository, tag: tag, kind: manifestType, blobs: append([][]byte{config}, layers...)}
	c := describe(configType, config)
	d := document{Config: &c}
	for _, l := range layers {
		d.Layers = append(d.Layers, describe(layerType, l))
	}
	return i.seal(d)
}

// newIndex is an index of images, whose tags are the architectures.
func newIndex(repository, tag string, images ...image) image {
	i := image{repository: repository, tag: tag, kind: indexType}
	var d document
	for _, below := range images {
		one := describe(below.kind, below.manifest)
		one.Platform = map[string]string{"os": "linux", "architecture": below.tag}
		d.Manifests = append(d.Manifests, one)
		i.below = append(i.below, below.as(""))
	}
	return i.seal(d)
}

// newReferrer is an artifact about an image.
func newReferrer(of image, kind string) image {
	i := image{repository: of.repository, kind: manifestType, blobs: [][]byte{[]byte("{}"), noise(500)}, subject: of.digest(), artifact: kind}
	config, subject := describe(emptyType, i.blobs[0]), describe(of.kind, of.manifest)
	return i.seal(document{ArtifactType: kind, Config: &config, Subject: &subject, Layers: []descriptor{describe(kind, i.blobs[1])}})
}

// signatureTag is the tag that cosign makes from a digest.
func signatureTag(digest string) string { return strings.Replace(digest, ":", "-", 1) + ".sig" }

// content is what an upstream has.
type content []image

// newContent is a few images with layers in common, one for two platforms, a
// signature under a tag, and two artifacts about an image.
func newContent(prefix string) content {
	base, both := noise(40_000), noise(20_000)
	one := newImage(prefix+"/app", "v1", "amd64", base, noise(30_000))
	multi := newIndex(prefix+"/multi", "v1",
		newImage(prefix+"/multi", "amd64", "amd64", base, both, noise(10_000)),
		newImage(prefix+"/multi", "arm64", "arm64", both, noise(11_000)))
	signature := newImage(prefix+"/app", signatureTag(one.digest()), "amd64", noise(200))
	return content{
		one,
		newImage(prefix+"/app", "v2", "amd64", base, noise(9_000)),
		newImage(prefix+"/deep/er/tool", "1.0.0", "amd64", base, both),
		multi, signature,
		newReferrer(one, sbomType), newReferrer(one, reportType),
	}
}

// all are all manifests, with those below indexes.
func (c content) all() (list content) {
	for _, i := range c {
		list = append(append(list, content(i.below).all()...), i)
	}
	return list
}

// tagged are those with a tag.
func (c content) tagged() (list content) {
	for _, i := range c {
		if i.tag != "" {
			list = append(list, i)
		}
	}
	return list
}

// names are those tags that stand for images, and not for signatures.
func (c content) names() (list content) {
	for _, i := range c.tagged() {
		if !strings.HasPrefix(i.tag, "sha256-") {
			list = append(list, i)
		}
	}
	return list
}

// without leaves out what is of some tags.
func (c content) without(drop func(image) bool) (list content) {
	for _, i := range c {
		if !drop(i) {
			list = append(list, i)
		}
	}
	return list
}

// repositories are those of the content, each once.
func (c content) repositories() (list []string) {
	seen := map[string]bool{}
	for _, i := range c {
		if !seen[i.repository] {
			list = append(list, i.repository)
		}
		seen[i.repository] = true
	}
	return list
}

// blobBytes is the size of all blobs, each counted once.
func (c content) blobBytes() (n int64) {
	seen := map[string]bool{}
	for _, i := range c.all() {
		for _, b := range i.blobs {
			if !seen[digestOf(b)] {
				n += int64(len(b))
			}
			seen[digestOf(b)] = true
		}
	}
	return n
}

// isReferrer is for without.
func isReferrer(i image) bool { return i.subject != "" || strings.HasSuffix(i.tag, ".sig") }
