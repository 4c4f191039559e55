package definition

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// TypeSignature is the artifact type of a referrer that is a signature of the
// artifact's document; its one layer is a Sigstore bundle. It is none of the types
// by which images are signed: what is signed is the document, not the manifest.
const TypeSignature = "application/vnd.landfall.definition.signature.v1+json"

// Opened opens a part's bytes, each time from the start.
type Opened = func() (io.ReadCloser, error)

// Content is a definition's artifact as a registry.Reader: the manifest, the document
// and the parts as its layers, and the signatures as its referrers. It can be read
// from several goroutines. Parts are proven while they are read.
type Content struct {
	definition *Definition
	document   digest.Digest
	ref        registry.Ref
	artifact   registry.Descriptor
	manifests  map[digest.Digest]content
	blobs      map[digest.Digest]Opened
	referrers  []registry.Descriptor
}

// content is a manifest.
type content struct {
	registry.Descriptor
	bytes []byte
}

var _ registry.Reader = (*Content)(nil)

// Pack makes the artifact of a document. ErrIncomplete when a part of it is not among
// parts, which may hold more.
func Pack(document []byte, parts map[digest.Digest]Opened, signatures []trust.Signature) (*Content, error) {
	d, err := Parse("definition", document)
	if err != nil {
		return nil, err
	}
	c := &Content{definition: d, ref: d.Ref(), manifests: map[digest.Digest]content{}, blobs: map[digest.Digest]Opened{}}
	layers := []registry.Descriptor{c.blob(TypeDocument, document, d.FileName())}
	c.document = layers[0].Digest
	for _, p := range d.placedParts() {
		open := parts[p.Digest]
		if open == nil {
			return nil, fmt.Errorf("definition %s %s: %w: %s of layer %s, %s, is not at hand", d.Name, d.Version, registry.ErrIncomplete, p.Path, p.layer, p.Digest)
		}
		if c.blobs[p.Digest] == nil {
			c.blobs[p.Digest] = open
			layers = append(layers, titled(registry.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: p.Size}, p.Path))
		}
	}
	m := manifestOf(ArtifactType, c.blob(ocispec.MediaTypeEmptyJSON, []byte("{}"), ""), layers...)
	m.Annotations = annotations(d)
	if c.artifact, err = c.manifest(m); err != nil {
		return nil, fmt.Errorf("definition %s %s: %w", d.Name, d.Version, err)
	}
	return c, c.sign(signatures)
}

// FileName is what a file with the document is called.
func (d *Definition) FileName() string { return d.Name + "-" + d.Version + ".def.yaml" }

func annotations(d *Definition) map[string]string {
	list := map[string]string{ocispec.AnnotationTitle: d.Name, ocispec.AnnotationVersion: d.Version}
	if d.Description != "" {
		list[ocispec.AnnotationDescription] = d.Description
	}
	return list
}

func titled(d registry.Descriptor, title string) registry.Descriptor {
	if title != "" {
		d.Annotations = map[string]string{ocispec.AnnotationTitle: title}
	}
	return d
}

// blob adds bytes.
func (c *Content) blob(mediaType string, content []byte, title string) registry.Descriptor {
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	c.blobs[d.Digest] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return titled(d, title)
}

func manifestOf(artifactType string, config registry.Descriptor, layers ...registry.Descriptor) ocispec.Manifest {
	return ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		ArtifactType: artifactType, Config: config, Layers: layers,
	}
}

// manifest adds a manifest.
func (c *Content) manifest(m ocispec.Manifest) (registry.Descriptor, error) {
	encoded, err := json.Marshal(m)
	if err != nil {
		return registry.Descriptor{}, err
	}
	if len(encoded) > registry.MaxManifestSize {
		return registry.Descriptor{}, fmt.Errorf("%w: the artifact's manifest has %d bytes, at most %d are allowed: it has %d parts; put files together in folders",
			registry.ErrInvalid, len(encoded), registry.MaxManifestSize, len(m.Layers))
	}
	d := registry.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(encoded), Size: int64(len(encoded))}
	c.manifests[d.Digest] = content{d, encoded}
	return d, nil
}

// sign adds signatures as referrers, one of each key.
func (c *Content) sign(signatures []trust.Signature) error {
	if len(signatures) > maxSignatures {
		return fmt.Errorf("definition %s: %w: more than %d signatures", c.definition.Name, registry.ErrInvalid, maxSignatures)
	}
	for _, s := range signatures {
		m := manifestOf(TypeSignature, c.blob(ocispec.MediaTypeEmptyJSON, []byte("{}"), ""), c.blob(trust.BundleArtifact, s.Bundle, ""))
		m.Subject = &c.artifact
		m.Annotations = map[string]string{keyAnnotation: s.KeyID}
		d, err := c.manifest(m)
		if err != nil {
			return err
		}
		d.ArtifactType, d.Annotations = m.ArtifactType, m.Annotations
		c.referrers = append(c.referrers, d)
	}
	slices.SortFunc(c.referrers, func(a, b registry.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	c.referrers = slices.CompactFunc(c.referrers, func(a, b registry.Descriptor) bool { return a.Digest == b.Digest })
	return nil
}

// keyAnnotation tells whose signature a referrer is, for who lists them.
const keyAnnotation = "dev.landfall.key"

// Definition is what the document says.
func (c *Content) Definition() *Definition { return c.definition }

// Document is the digest of the document.
func (c *Content) Document() digest.Digest { return c.document }

// Ref is the artifact's name, REPOSITORY:VERSION; a + in the version is _ in the tag.
func (c *Content) Ref() registry.Ref { return c.ref }

// At is the same content under another name.
func (c *Content) At(ref registry.Ref) *Content {
	other := *c
	other.ref = registry.Ref{Repository: ref.Repository, Tag: ref.Tag}
	return &other
}

// Descriptor is the artifact's manifest.
func (c *Content) Descriptor() registry.Descriptor { return c.artifact }

// Resolve implements registry.Reader.
func (c *Content) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	m, err := c.find(ref)
	return m.Descriptor, err
}

// Manifest implements registry.Reader.
func (c *Content) Manifest(_ context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	m, err := c.find(ref)
	return m.Descriptor, bytes.Clone(m.bytes), err
}

func (c *Content) find(ref registry.Ref) (content, error) {
	d := ref.Digest
	if d == "" && ref.Tag == c.ref.Tag {
		d = c.artifact.Digest
	}
	m, ok := c.manifests[d]
	if !ok || ref.Repository != c.ref.Repository {
		return content{}, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
	}
	return m, nil
}

// Blob implements registry.Reader.
func (c *Content) Blob(_ context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	open := c.blobs[d.Digest]
	if open == nil || repository != c.ref.Repository {
		return nil, fmt.Errorf("%s@%s: %w", repository, d.Digest, registry.ErrNotFound)
	}
	r, err := open()
	if err != nil {
		return nil, fmt.Errorf("%s@%s: %w", repository, d.Digest, err)
	}
	return registry.VerifyReadCloser(r, d), nil
}

// Referrers implements registry.Reader.
func (c *Content) Referrers(_ context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	if repository != c.ref.Repository || subject != c.artifact.Digest {
		return nil, nil
	}
	return slices.Clone(c.referrers), nil
}
