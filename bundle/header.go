// Package bundle is the file in which content crosses an airgap: its format,
// specified in FORMAT.md, how it is written, read, verified, compared and signed,
// and how it lands at a site.
//
// A bundle is a plain tar of an OCI image layout with one more document, the
// header: the list of everything inside with its place in the file. A bundle
// being written is a registry.Writer, a bundle being read a registry.Reader;
// import and export are registry.Copy. A thin bundle leaves out what the site
// has; completed by its base, the site's content by digest, it is read like any
// other. Landing asks the site's trust policy first. What a site keeps, and
// where, is not this package's business.
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

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// The versions of the format that this package writes and reads: the plain one,
// which holds all that its names reach, and the one with terms (terms.go) and
// signatures.
const (
	FormatPlain = 1
	FormatTerms = 2
)

// maxHeader bounds the header and the index, in bytes: about 400,000 blobs.
const maxHeader = 64 << 20

// ErrFormat says that a file is not a bundle, not one of this format version,
// or breaks FORMAT.md.
var ErrFormat = errors.New("not a valid bundle")

// Header is landfall/bundle.json. Members are in alphabetical order, which
// makes the encoding canonical (RFC 8785).
type Header struct {
	Absent    []digest.Digest `json:"absent,omitempty"`    // ascending; children that the bundle's source was without
	Blobs     []Blob          `json:"blobs"`               // in file order
	Channel   string          `json:"channel,omitempty"`   // of bundles that follow each other
	Created   string          `json:"created"`             // RFC 3339, UTC, whole seconds
	Expires   string          `json:"expires,omitempty"`   // the same; until when it may be let in
	For       string          `json:"for,omitempty"`       // id of the site that it was made for
	Format    int             `json:"format"`              // FormatPlain or FormatTerms
	ID        string          `json:"id"`                  // 32 hexadecimal digits made from what is inside
	Loose     []Loose         `json:"loose,omitempty"`     // ascending by digest; what no name has to reach
	Manifests []Manifest      `json:"manifests"`           // in file order, after the blobs, children before parents
	Names     []Name          `json:"names"`               // ascending by name
	Platforms []string        `json:"platforms,omitempty"` // ascending; what of indexes belongs to it; all when empty
	Requires  []digest.Digest `json:"requires,omitempty"`  // ascending; what has to be at the site
	Sequence  int64           `json:"sequence,omitempty"`  // its place in the channel, 1 or more
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

// newHeader lists what is carried of a graph, without offsets.
func newHeader(g, carried *registry.Graph, opts CreateOptions) *Header {
	h := &Header{
		Blobs: []Blob{}, Manifests: []Manifest{}, Names: []Name{},
		Created: timeText(opts.Created), Format: FormatPlain,
	}
	for _, b := range carried.Blobs {
		h.Blobs = append(h.Blobs, Blob{Digest: b.Descriptor.Digest, Size: b.Descriptor.Size})
	}
	for _, n := range carried.Manifests {
		m := Manifest{Digest: n.Descriptor.Digest, MediaType: n.Descriptor.MediaType, Repositories: n.Repositories, Size: n.Descriptor.Size}
		if n.Manifest.Subject != nil {
			m.Subject = n.Manifest.Subject.Digest
		}
		h.Manifests = append(h.Manifests, m)
	}
	for _, n := range g.Names {
		h.Names = append(h.Names, Name{n.Descriptor.Digest, n.Ref.String()})
	}
	if opts.hasTerms() || len(g.Names) == 0 && len(g.Manifests)+len(g.Blobs) > 0 {
		h.setTerms(g, carried, opts)
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
	h.identifyTerms(sum)
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
	if version.Format != FormatPlain && version.Format != FormatTerms {
		return nil, fmt.Errorf("%w: format version %d, this program reads versions %d and %d: use a newer landfall", ErrFormat, version.Format, FormatPlain, FormatTerms)
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
	if _, err := parseTime(h.Created); err != nil {
		return fmt.Errorf("created %w", err)
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
	if err := h.checkNames(); err != nil {
		return err
	}
	return h.checkTerms()
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
		if m == nil && h.Format == FormatTerms { // it has to be at the site
			if _, err := registry.ParseDigest(n.Digest.String()); err != nil {
				return err
			}
		} else if m == nil || !m.in(ref.Repository) {
			return fmt.Errorf("name %s stands for %s, which is not a manifest of that repository", n.Name, n.Digest)
		}
		if ref.Digest != "" && ref.Digest != n.Digest {
			return fmt.Errorf("name %s stands for %s, which is another", n.Name, n.Digest)
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

func ascending[T ~string](s []T) bool {
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
		m, carried := byDigest[n.Digest]
		if !carried {
			continue
		}
		d := m.descriptor()
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
