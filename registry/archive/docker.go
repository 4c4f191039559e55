package archive

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// dockerImage is an element of a Docker archive's document.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string // the lowest first
}

// refs are the names of an image, completed as Docker does.
func (d dockerImage) refs() (refs []registry.Ref, err error) {
	for _, tag := range d.RepoTags {
		ref, err := registry.ParseRef(tag)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", dockerDocument, err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// readDocker makes manifests of configs and layers.
func (a *Archive) readDocker(ctx context.Context, listed []dockerImage) error {
	for _, d := range listed {
		names, err := d.refs()
		if err != nil {
			return err
		}
		n, err := a.synthesise(ctx, d)
		if err != nil {
			return err
		}
		a.images = append(a.images, image{names: names, descriptor: n.Descriptor})
	}
	return nil
}

// synthesise makes the manifest of an image: config and layers as they are.
func (a *Archive) synthesise(ctx context.Context, d dockerImage) (*registry.Node, error) {
	config, diffs, err := a.config(d.Config)
	if err != nil {
		return nil, fmt.Errorf("config %.100q: %w", d.Config, err)
	}
	if len(diffs) != len(d.Layers) {
		return nil, fmt.Errorf("config %.100q: %w: it is of %d layers, the archive lists %d", d.Config, registry.ErrInvalid, len(diffs), len(d.Layers))
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []registry.Descriptor{}}
	m.SchemaVersion = 2
	for i, name := range d.Layers {
		layer, err := a.layer(ctx, name, diffs[i])
		if err != nil {
			return nil, fmt.Errorf("layer %.100q: %w", name, err)
		}
		m.Layers = append(m.Layers, layer)
	}
	content, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return a.keep(registry.Describe(m.MediaType, content, digest.SHA256), content)
}

var hexadecimal = regexp.MustCompile(`[0-9a-f]{64}`)

// config reads a config, which is damaged when it is named by another digest than
// its own, and the digests of the layers as they are uncompressed.
func (a *Archive) config(name string) (d registry.Descriptor, diffs []digest.Digest, err error) {
	at, err := a.find(name)
	if err != nil {
		return d, nil, err
	}
	content, err := a.configBytes(at)
	if err != nil {
		return d, nil, err
	}
	d = registry.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(content), Size: at.size}
	if named := hexadecimal.FindString(name); named != "" && named != d.Digest.Encoded() {
		return d, nil, fmt.Errorf("%w: the bytes hash to %s", registry.ErrDigest, d.Digest)
	}
	diffs, err = diffIDs(content)
	if err != nil {
		return d, nil, err
	}
	return d, diffs, a.addBlob(d, at)
}

// diffIDs are the digests of an image's layers as they are uncompressed (image-spec,
// "Image Configuration").
func diffIDs(config []byte) ([]digest.Digest, error) {
	var c struct {
		RootFS ocispec.RootFS `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	for _, d := range c.RootFS.DiffIDs {
		if _, err := registry.ParseDigest(d.String()); err != nil {
			return nil, fmt.Errorf("rootfs: %w", err)
		}
	}
	return c.RootFS.DiffIDs, nil
}

// addBlob notes where a blob's bytes are.
func (a *Archive) addBlob(d registry.Descriptor, at member) error {
	if at.size != d.Size {
		return fmt.Errorf("%s: %w: %d bytes, want %d", d.Digest, registry.ErrSize, at.size, d.Size)
	}
	if there, known := a.blobs[d.Digest]; !known {
		a.blobs[d.Digest] = at
	} else if there.size != at.size {
		return fmt.Errorf("%s: %w: it is there with %d bytes and with %d", d.Digest, registry.ErrSize, there.size, at.size)
	}
	return nil
}

// layer describes a layer. The digest of one that is not compressed is in the config;
// reading it proves that.
func (a *Archive) layer(ctx context.Context, name string, diff digest.Digest) (d registry.Descriptor, err error) {
	at, err := a.find(name)
	if err != nil {
		return d, err
	}
	head := make([]byte, min(4, at.size))
	if n, err := a.source.ReadAt(head, at.offset); n < len(head) {
		return d, cutOff(err)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		d, err = a.compressed(ctx, name, ocispec.MediaTypeImageLayerGzip, at, diff)
	case bytes.Equal(head, []byte("\x28\xb5\x2f\xfd")):
		d, err = a.compressed(ctx, name, ocispec.MediaTypeImageLayerZstd, at, diff)
	default:
		d = registry.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diff, Size: at.size}
	}
	if err != nil {
		return d, err
	}
	return d, a.addBlob(d, at)
}

// compressed hashes a layer whose digest nothing tells. That it is whole shows in its
// name, when that has the digest, or when it is uncompressed.
func (a *Archive) compressed(ctx context.Context, name, mediaType string, at member, diff digest.Digest) (d registry.Descriptor, err error) {
	if d, known := a.proven[at.offset]; known {
		return d, nil
	}
	hash := sha256.New()
	if err := durable.Copy(ctx, hash, a.section(at)); err != nil {
		return d, cutOff(err)
	}
	d = registry.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, hash), Size: at.size}
	if !strings.Contains(name, d.Digest.Encoded()) {
		if err := a.uncompress(ctx, mediaType, at, diff); err != nil {
			return d, err
		}
	}
	a.proven[at.offset] = d
	return d, nil
}

// uncompress proves that a layer is the one that the config means.
func (a *Archive) uncompress(ctx context.Context, mediaType string, at member, diff digest.Digest) error {
	if mediaType != ocispec.MediaTypeImageLayerGzip {
		return fmt.Errorf("%w: it is compressed with zstd and not named by its digest: nothing tells whether it is whole", registry.ErrInvalid)
	}
	r, err := gzip.NewReader(a.section(at))
	hash := diff.Algorithm().Hash()
	if err == nil {
		err = durable.Copy(ctx, hash, r)
	}
	if corrupt(err) {
		return fmt.Errorf("%w: it cannot be uncompressed: %w", registry.ErrDigest, err)
	}
	if err != nil {
		return err
	}
	if got := digest.NewDigest(diff.Algorithm(), hash); got != diff {
		return fmt.Errorf("%w: it is %s when it is uncompressed, the config says %s", registry.ErrDigest, got, diff)
	}
	return nil
}

// corrupt reports whether an error is one of bytes that gzip has not made.
func corrupt(err error) bool {
	deflated := flate.CorruptInputError(0)
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &deflated)
}

// checkLayers proves that the layers of a manifest are those that its config means,
// as far as that shows without uncompressing them.
func (a *Archive) checkLayers(content []byte) error {
	var m ocispec.Manifest
	if err := json.Unmarshal(content, &m); err != nil {
		return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	}
	isImage := m.Config.MediaType == ocispec.MediaTypeImageConfig || m.Config.MediaType == dockerConfig
	if !isImage || slices.ContainsFunc(m.Layers, func(l registry.Descriptor) bool { return !isLayer(l.MediaType) }) {
		return nil
	}
	config, err := a.configBytes(a.blobs[m.Config.Digest])
	if err == nil && m.Config.Digest.Algorithm().FromBytes(config) != m.Config.Digest {
		err = registry.ErrDigest
	}
	var diffs []digest.Digest
	if err == nil {
		diffs, err = diffIDs(config)
	}
	if err != nil {
		return fmt.Errorf("config %s: %w", m.Config.Digest, err)
	}
	if len(diffs) == 0 && len(m.Layers) > 0 { // no image to be run
		return nil
	}
	if len(diffs) != len(m.Layers) {
		return fmt.Errorf("config %s: %w: it is of %d layers, the manifest of %d", m.Config.Digest, registry.ErrInvalid, len(diffs), len(m.Layers))
	}
	for i, l := range m.Layers {
		if isPlain(l.MediaType) && l.Digest.Algorithm() == diffs[i].Algorithm() && l.Digest != diffs[i] {
			return fmt.Errorf("layer %s: %w: the config %s says %s", l.Digest, registry.ErrDigest, m.Config.Digest, diffs[i])
		}
	}
	return nil
}

// Docker's forms of media types, as far as package registry does without them.
const (
	dockerConfig = "application/vnd.docker.container.image.v1+json"
	dockerLayer  = "application/vnd.docker.image.rootfs."
	ociLayer     = "application/vnd.oci.image.layer."
)

func isLayer(mediaType string) bool {
	return strings.HasPrefix(mediaType, ociLayer) || strings.HasPrefix(mediaType, dockerLayer)
}

// isPlain reports whether a layer is not compressed.
func isPlain(mediaType string) bool {
	return isLayer(mediaType) && strings.HasSuffix(mediaType, ".tar")
}

// configBytes reads a config.
func (a *Archive) configBytes(at member) ([]byte, error) {
	if a.configs += at.size; a.configs > maxConfigs {
		return nil, fmt.Errorf("%w: more than %d bytes of configs", registry.ErrInvalid, maxConfigs)
	}
	return a.small(at, registry.MaxManifestSize)
}
