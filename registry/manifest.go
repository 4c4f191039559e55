package registry

import (
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// MaxManifestSize is the largest manifest that is read or accepted, in bytes
// (OCI distribution-spec, "Pushing Manifests", asks for at least 4 MiB).
const MaxManifestSize = 4 << 20

// Docker's forms of the OCI media types (image-spec, "Compatibility Matrix").
const (
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeDockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
)

// ManifestTypes are the media types that are manifests, most wanted first; a
// client offers them all when it asks for a name.
var ManifestTypes = []string{
	ocispec.MediaTypeImageIndex, MediaTypeDockerList,
	ocispec.MediaTypeImageManifest, MediaTypeDockerManifest,
}

// IsIndex reports whether a media type is a list of manifests.
func IsIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == MediaTypeDockerList
}

// IsManifest reports whether a media type is a manifest, not a blob.
func IsManifest(mediaType string) bool {
	return IsIndex(mediaType) || mediaType == ocispec.MediaTypeImageManifest || mediaType == MediaTypeDockerManifest
}

// IsForeign reports whether a layer is kept elsewhere by its publisher
// (image-spec, "Non-Distributable Layers"): nobody has to have it.
func IsForeign(d Descriptor) bool {
	return len(d.URLs) > 0 && (d.MediaType == mediaTypeDockerForeign || strings.Contains(d.MediaType, ".nondistributable."))
}

// Manifest is what a manifest of any of the ManifestTypes says.
type Manifest struct {
	MediaType    string            // as stored, never guessed from the content alone
	ArtifactType string            // artifactType, else the config's media type; empty for indexes without one
	Blobs        []Descriptor      // config first, then layers in order; without foreign layers
	Children     []Descriptor      // manifests of an index, in order
	Subject      *Descriptor       // what the manifest refers to, for referrers
	Annotations  map[string]string // the manifest's own
}

// document is the union of the fields of all ManifestTypes.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *Descriptor       `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Manifests     []Descriptor      `json:"manifests"`
	Subject       *Descriptor       `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// ParseManifest reads a manifest strictly: schema version 2, a media type of
// its own that does not contradict the one it was stored under, descriptors
// with valid digests and sizes. ErrInvalid names the field.
func ParseManifest(mediaType string, content []byte) (*Manifest, error) {
	if len(content) > MaxManifestSize {
		return nil, fmt.Errorf("%w: manifest of %d bytes, at most %d are allowed", ErrInvalid, len(content), MaxManifestSize)
	}
	var doc document
	if err := json.Unmarshal(content, &doc); err != nil {
		return nil, fmt.Errorf("%w: manifest: %v", ErrInvalid, err)
	}
	if err := doc.check(mediaType); err != nil {
		return nil, fmt.Errorf("%w: manifest: %w", ErrInvalid, err)
	}
	m := &Manifest{MediaType: mediaType, ArtifactType: doc.ArtifactType, Subject: doc.Subject, Annotations: doc.Annotations}
	if IsIndex(mediaType) {
		m.Children = doc.Manifests
		return m, nil
	}
	if m.ArtifactType == "" {
		m.ArtifactType = doc.Config.MediaType
	}
	m.Blobs = append(m.Blobs, *doc.Config)
	for _, l := range doc.Layers {
		if !IsForeign(l) {
			m.Blobs = append(m.Blobs, l)
		}
	}
	return m, nil
}

func (doc *document) check(mediaType string) error {
	switch {
	case !IsManifest(mediaType):
		return fmt.Errorf("media type %q is not one of %s", mediaType, strings.Join(ManifestTypes, ", "))
	case doc.SchemaVersion != 2:
		return fmt.Errorf("schemaVersion %d is not supported, only 2", doc.SchemaVersion)
	case doc.MediaType != "" && doc.MediaType != mediaType:
		return fmt.Errorf("mediaType %q inside, %q outside", doc.MediaType, mediaType)
	case IsIndex(mediaType) && (doc.Config != nil || doc.Layers != nil):
		return fmt.Errorf("an index with config or layers")
	case !IsIndex(mediaType) && doc.Config == nil:
		return fmt.Errorf("config is missing")
	case !IsIndex(mediaType) && doc.Manifests != nil:
		return fmt.Errorf("an image manifest with manifests")
	}
	if err := checkDescriptors("layers", doc.Layers...); err != nil {
		return err
	}
	if err := checkDescriptors("manifests", doc.Manifests...); err != nil {
		return err
	}
	if doc.Config != nil {
		if err := checkDescriptors("config", *doc.Config); err != nil {
			return err
		}
	}
	if doc.Subject != nil {
		return checkDescriptors("subject", *doc.Subject)
	}
	return nil
}

func checkDescriptors(field string, ds ...Descriptor) error {
	for i, d := range ds {
		if _, err := ParseDigest(d.Digest.String()); err != nil {
			return fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		if d.Size < 0 {
			return fmt.Errorf("%s[%d]: size %d", field, i, d.Size)
		}
	}
	return nil
}

// Describe makes the descriptor of a manifest's bytes. The media type is the
// one it was served with; when that is missing or says nothing, the one inside.
func Describe(mediaType string, content []byte, algorithm digest.Algorithm) Descriptor {
	if t, _, err := mime.ParseMediaType(mediaType); err == nil {
		mediaType = t
	}
	if !IsManifest(mediaType) {
		var inside struct {
			MediaType string `json:"mediaType"`
		}
		if json.Unmarshal(content, &inside) == nil && IsManifest(inside.MediaType) {
			mediaType = inside.MediaType
		}
	}
	return Descriptor{MediaType: mediaType, Digest: algorithm.FromBytes(content), Size: int64(len(content))}
}

// CheckManifest is what every Writer does with a manifest first: the bytes are
// those of d, the reference fits, the document is valid.
func CheckManifest(ref Ref, d Descriptor, content []byte) (*Manifest, error) {
	if int64(len(content)) != d.Size {
		return nil, fmt.Errorf("%s: %w: %d bytes, want %d", ref, ErrSize, len(content), d.Size)
	}
	if _, err := ParseDigest(d.Digest.String()); err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	if got := d.Digest.Algorithm().FromBytes(content); got != d.Digest {
		return nil, fmt.Errorf("%s: %w: the bytes hash to %s, want %s", ref, ErrDigest, got, d.Digest)
	}
	if ref.Digest != "" && ref.Digest != d.Digest {
		return nil, fmt.Errorf("%s: %w: the content is %s", ref, ErrDigest, d.Digest)
	}
	m, err := ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return m, nil
}
