// Package archive reads archives of images: what docker save and podman save write,
// and OCI image layouts in a tar file, as skopeo, buildx and ctr write them. An
// archive is read in place, where it lies; nothing is unpacked. It is no bundle: nobody
// has signed it as a whole, and what its images have is what it holds of them.
//
// Nouns. A member is a file in the tar. A layout is an OCI image layout (image-spec,
// "OCI Image Layout Specification"): its manifests are there, and everything is named
// by its digest. A Docker archive without one has configs and layers only; the
// manifests of its images are made here, always the same for the same archive.
package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// The documents at an archive's top.
const (
	dockerDocument = "manifest.json" // of docker save
	layoutDocument = "oci-layout"
	indexDocument  = "index.json"
)

const (
	// maxDocument bounds a document, in bytes.
	maxDocument = 16 << 20
	// maxManifests bounds all manifests together, in bytes: they are kept in memory.
	maxManifests = 64 << 20
	// maxConfigs bounds all configs together, in bytes: they are read when an archive
	// is opened.
	maxConfigs = 256 << 20
	// maxDepth is how deep indexes may name indexes.
	maxDepth = 8
)

// Options of Open. The zero value is the default.
type Options struct {
	// Name is what an image is called of which the archive does not tell the name: a
	// reference as ParseRef takes it. To images of which the archive tells the tag
	// it gives the repository, when it has no tag of its own. Empty: each has to
	// have a name.
	Name string
}

// Archive is an open archive: a registry.Reader and Lister over its images. All it
// gives is proven: manifests when it is opened, blobs while they are read.
type Archive struct {
	name    string // of the file, for messages
	source  io.ReaderAt
	size    int64
	options Options
	layout  bool
	members map[string]member
	links   map[string]string // what a member's name stands for

	images    []image
	manifests map[digest.Digest]*registry.Node // nil: not here, or not with all its blobs
	content   int64                            // bytes of manifests
	configs   int64                            // bytes of configs that were read
	blobs     map[digest.Digest]member
	proven    map[int64]registry.Descriptor // layers that were hashed, by offset
	subjects  map[digest.Digest][]registry.Descriptor
	tags      map[registry.Ref]digest.Digest
	graph     *registry.Graph
}

var (
	_ registry.Reader = (*Archive)(nil)
	_ registry.Lister = (*Archive)(nil)
)

// image is what the archive lists as one.
type image struct {
	names      []registry.Ref
	tag        string // when no more is known of its name
	descriptor registry.Descriptor
}

// Open opens an archive of so many bytes, under any name for messages. It passes over
// the tar once; layers stay unread, but for compressed ones of Docker archives that
// tell no digest of them. ErrInvalid when it is no archive of images or breaks its
// format, an *UnnamedError when an image has no name, ErrSize when it was cut off,
// ErrIncomplete when something is not in it, ErrDigest when a manifest, a config or a
// list of layers is damaged.
func Open(ctx context.Context, name string, source io.ReaderAt, size int64, opts Options) (*Archive, error) {
	a := &Archive{name: name, source: source, size: size, options: opts, members: map[string]member{}, links: map[string]string{},
		manifests: map[digest.Digest]*registry.Node{}, blobs: map[digest.Digest]member{}, proven: map[int64]registry.Descriptor{},
		subjects: map[digest.Digest][]registry.Descriptor{}, tags: map[registry.Ref]digest.Digest{}}
	if err := a.open(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}

func (a *Archive) open(ctx context.Context) error {
	if err := a.index(ctx); err != nil {
		return err
	}
	var listed []dockerImage
	_, docker := a.members[dockerDocument]
	if docker {
		if err := a.document(dockerDocument, &listed); err != nil {
			return err
		}
	}
	_, layout := a.members[layoutDocument]
	_, index := a.members[indexDocument]
	var err error
	switch a.layout = layout && index; {
	case a.layout:
		err = a.readLayout(ctx, listed)
	case docker:
		err = a.readDocker(ctx, listed)
	default:
		err = fmt.Errorf("%w: a tar file without %s, and without %s and %s: no archive of images", registry.ErrInvalid, dockerDocument, layoutDocument, indexDocument)
	}
	if err == nil && len(a.images) == 0 {
		err = fmt.Errorf("%w: no image is in it", registry.ErrInvalid)
	}
	if err != nil {
		return err
	}
	return a.link()
}

// document reads a small member that is JSON.
func (a *Archive) document(name string, v any) error {
	content, err := a.small(a.members[name], maxDocument)
	if err == nil {
		err = json.Unmarshal(content, v)
		if err != nil {
			err = fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
	}
	if err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	return nil
}

// small reads a member into memory.
func (a *Archive) small(m member, most int64) ([]byte, error) {
	if m.size > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", registry.ErrInvalid, m.size, most)
	}
	content := make([]byte, m.size)
	if n, err := a.source.ReadAt(content, m.offset); int64(n) < m.size {
		return nil, cutOff(err)
	}
	return content, nil
}

// Refs are the names of all images, in the order of their texts.
func (a *Archive) Refs() []registry.Ref {
	refs := make([]registry.Ref, len(a.graph.Names))
	for i, n := range a.graph.Names {
		refs[i] = n.Ref
	}
	return refs
}

// Graph is the closure of all names. What an index names and is not in the archive is
// not in it.
func (a *Archive) Graph() *registry.Graph { return a.graph }

// Layout reports whether the archive is a layout; else it is a Docker archive.
func (a *Archive) Layout() bool { return a.layout }

// Size is the archive's length in bytes.
func (a *Archive) Size() int64 { return a.size }

// ID is made of the names and what they stand for, 32 hexadecimal digits: it tells
// archives apart, and proves nothing.
func (a *Archive) ID() string {
	sum := sha256.New()
	fmt.Fprintln(sum, "archive")
	for _, n := range a.graph.Names {
		fmt.Fprintf(sum, "name %s %s\n", n.Ref, n.Descriptor.Digest)
	}
	for _, n := range a.graph.Manifests {
		fmt.Fprintf(sum, "manifest %s %s\n", n.Descriptor.Digest, strings.Join(n.Repositories, " "))
	}
	for _, b := range a.graph.Blobs {
		fmt.Fprintf(sum, "blob %s\n", b.Descriptor.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
