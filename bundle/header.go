// Package bundle is the file in which content crosses an airgap: its format,
// specified in FORMAT.md, how it is written, read, verified and compared.
//
// A bundle is a plain tar of an OCI image layout with one more document, the
// header: the list of everything inside with its place in the file. A bundle
// being written is a registry.Writer, a bundle being read a registry.Reader;
// import and export are registry.Copy. Where the content comes from and where
// it lands is not this package's business.
package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// Format is the version of the format that this package writes and reads.
const Format = 1

// maxHeader bounds the header and the index, in bytes: about 400,000 blobs.
const maxHeader = 64 << 20

// ErrFormat says that a file is not a bundle, not one of this format version,
// or breaks FORMAT.md.
var ErrFormat = errors.New("not a valid bundle")

// Header is landfall/bundle.json. Members are in alphabetical order, which
// makes the encoding canonical (RFC 8785).
type Header struct {
	Blobs     []Blob     `json:"blobs"`     // in file order
	Created   string     `json:"created"`   // RFC 3339, UTC, whole seconds
	Format    int        `json:"format"`    // always Format
	ID        string     `json:"id"`        // 32 hexadecimal digits made from what is inside
	Manifests []Manifest `json:"manifests"` // in file order, after the blobs, children before parents
	Names     []Name     `json:"names"`     // ascending by name
}

// Blob is one config, layer or other blob.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	Offset int64         `json:"offset"` // of the first byte, from the file's start
	Size   int64         `json:"size"`
}

// Manifest is one image manifest or index.
type Manifest struct {
	Digest       digest.Digest `json:"digest"`
	MediaType    string        `json:"mediaType"`
	Offset       int64         `json:"offset"`
	Repositories []string      `json:"repositories"` // ascending; where it belongs
	Size         int64         `json:"size"`
	Subject      digest.Digest `json:"subject,omitempty"`
}

// Name is a reference with the manifest that it stands for.
type Name struct {
	Digest digest.Digest `json:"digest"`
	Name   string        `json:"name"`
}

// newHeader lists a graph, without offsets.
func newHeader(g *registry.Graph, created time.Time) *Header {
	h := &Header{
		Blobs: []Blob{}, Manifests: []Manifest{}, Names: []Name{},
		Created: created.UTC().Format(time.RFC3339), Format: Format,
	}
	for _, b := range g.Blobs {
		h.Blobs = append(h.Blobs, Blob{Digest: b.Descriptor.Digest, Size: b.Descriptor.Size})
	}
	for _, n := range g.Manifests {
		m := Manifest{Digest: n.Descriptor.Digest, MediaType: n.Descriptor.MediaType, Repositories: n.Repositories, Size: n.Descriptor.Size}
		if n.Manifest.Subject != nil {
			m.Subject = n.Manifest.Subject.Digest
		}
		h.Manifests = append(h.Manifests, m)
	}
	for _, n := range g.Names {
		h.Names = append(h.Names, Name{n.Descriptor.Digest, n.Ref.String()})
	}
	h.ID = h.identity()
	return h
}

// identity depends on names and content alone: the same content made into a
// bundle twice has the same id.
func (h *Header) identity() string {
	sum := sha256.New()
	for _, n := range h.Names {
		fmt.Fprintf(sum, "name %s %s\n", n.Name, n.Digest)
	}
	for _, m := range h.Manifests {
		fmt.Fprintf(sum, "manifest %s %s\n", m.Digest, strings.Join(m.Repositories, " "))
	}
	for _, b := range h.Blobs {
		fmt.Fprintf(sum, "blob %s\n", b.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// canonical encodes as RFC 8785 does for the values that headers have:
// members sorted, no white space, printable ASCII strings, integers.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// parseHeader accepts exactly what canonical writes, and checks every field.
func parseHeader(content []byte) (*Header, error) {
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrFormat, headerEntry, err)
	}
	if version.Format != Format {
		return nil, fmt.Errorf("%w: format version %d, this program reads version %d: use a newer landfall", ErrFormat, version.Format, Format)
	}
	h := &Header{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(h); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrFormat, headerEntry, err)
	}
	if again, err := canonical(h); err != nil || !bytes.Equal(again, content) {
		return nil, fmt.Errorf("%w: %s is not in canonical form", ErrFormat, headerEntry)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFormat, headerEntry, err)
	}
	return h, nil
}

// check proves what can be seen in the header alone.
func (h *Header) check() error {
	if t, err := time.Parse(time.RFC3339, h.Created); err != nil || t.UTC().Format(time.RFC3339) != h.Created {
		return fmt.Errorf("created %q is not a UTC time in whole seconds", h.Created)
	}
	if want := h.identity(); h.ID != want {
		return fmt.Errorf("id %q, the content makes it %q", h.ID, want)
	}
	if h.Blobs == nil || h.Manifests == nil || h.Names == nil {
		return errors.New("blobs, manifests or names is not an array")
	}
	if err := h.checkPlaces(); err != nil {
		return err
	}
	for _, m := range h.Manifests {
		if err := m.check(); err != nil {
			return err
		}
	}
	return h.checkNames()
}

// checkPlaces proves digests and sizes of all content.
func (h *Header) checkPlaces() error {
	seen := map[digest.Digest]bool{}
	var content, manifests int64
	for i, e := range h.places() {
		if _, err := registry.ParseDigest(e.digest.String()); err != nil {
			return err
		}
		if e.size < 0 || e.size > maxContent {
			return fmt.Errorf("%s: size %d", e.digest, e.size)
		}
		if seen[e.digest] {
			return fmt.Errorf("%s is listed twice", e.digest)
		}
		seen[e.digest] = true
		content += e.size
		if i >= len(h.Blobs) {
			manifests += e.size
		}
		if content > maxContent || manifests > maxManifests {
			return fmt.Errorf("%d bytes of content, %d of them manifests: at most %d and %d fit into one bundle", content, manifests, int64(maxContent), maxManifests)
		}
	}
	return nil
}

func (m *Manifest) check() error {
	switch {
	case !registry.IsManifest(m.MediaType):
		return fmt.Errorf("%s: media type %q is not a manifest's", m.Digest, m.MediaType)
	case m.Size > registry.MaxManifestSize:
		return fmt.Errorf("%s: a manifest of %d bytes", m.Digest, m.Size)
	case len(m.Repositories) == 0 || !ascending(m.Repositories):
		return fmt.Errorf("%s: repositories are missing or out of order", m.Digest)
	}
	for _, r := range m.Repositories {
		if _, err := registry.ParseName(r + "@" + m.Digest.String()); err != nil {
			return err
		}
	}
	if m.Subject != "" {
		_, err := registry.ParseDigest(m.Subject.String())
		return err
	}
	return nil
}

func (h *Header) checkNames() error {
	at := map[digest.Digest]*Manifest{}
	for i := range h.Manifests {
		at[h.Manifests[i].Digest] = &h.Manifests[i]
	}
	names := make([]string, len(h.Names))
	tags := map[registry.Ref]digest.Digest{}
	for i, n := range h.Names {
		ref, err := registry.ParseName(n.Name)
		if err != nil {
			return err
		}
		tag := registry.Ref{Repository: ref.Repository, Tag: ref.Tag}
		if other := tags[tag]; ref.Tag != "" && other != "" && other != n.Digest {
			return fmt.Errorf("name %s stands for %s and for %s", tag, other, n.Digest)
		}
		tags[tag] = n.Digest
		m := at[n.Digest]
		if m == nil || !m.in(ref.Repository) || ref.Digest != "" && ref.Digest != n.Digest {
			return fmt.Errorf("name %s stands for %s, which is not a manifest of that repository", n.Name, n.Digest)
		}
		if names[i] = ref.String(); names[i] != n.Name {
			return fmt.Errorf("name %q is not in canonical form", n.Name)
		}
	}
	if !ascending(names) {
		return errors.New("names are out of order or listed twice")
	}
	return nil
}

// in reports whether the manifest belongs to a repository.
func (m *Manifest) in(repository string) bool {
	_, found := slices.BinarySearch(m.Repositories, repository)
	return found
}

func ascending(s []string) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return true
}

// containerdName is the annotation from which containerd takes an image's
// full name on import.
const containerdName = "io.containerd.image.name"

// index is index.json: what tools that know OCI layouts but not bundles see.
// It follows from the header alone.
func (h *Header) index() ([]byte, error) {
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	index.SchemaVersion = 2
	byDigest := map[digest.Digest]Manifest{}
	for _, m := range h.Manifests {
		byDigest[m.Digest] = m
	}
	for _, n := range h.Names {
		d := byDigest[n.Digest].descriptor()
		d.Annotations = map[string]string{ocispec.AnnotationRefName: n.Name, containerdName: n.Name}
		index.Manifests = append(index.Manifests, d)
	}
	for _, m := range h.Manifests {
		if m.Subject != "" {
			index.Manifests = append(index.Manifests, m.descriptor())
		}
	}
	return canonical(index)
}

func (m Manifest) descriptor() registry.Descriptor {
	return registry.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}
}
