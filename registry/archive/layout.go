package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
)

// readLayout reads what the index of a layout names. Names that it is without may be
// in the document of Docker, which docker save writes beside it.
func (a *Archive) readLayout(ctx context.Context, listed []dockerImage) error {
	var version ocispec.ImageLayout
	if err := a.document(layoutDocument, &version); err != nil {
		return err
	}
	var index ocispec.Index
	if err := a.document(indexDocument, &index); err != nil {
		return err
	}
	if version.Version != ocispec.ImageLayoutVersion || index.SchemaVersion != 2 {
		return fmt.Errorf("%w: a layout of version %.20q with an index of schema version %d; want %s and 2", registry.ErrInvalid,
			version.Version, index.SchemaVersion, ocispec.ImageLayoutVersion)
	}
	tagged, err := a.dockerNames(listed)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, d := range index.Manifests {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		i, err := a.root(d)
		if err != nil {
			return fmt.Errorf("member %s: %w", indexDocument, err)
		}
		if len(i.names) == 0 {
			i.names = a.namesBelow(i.descriptor.Digest, tagged, map[digest.Digest]bool{})
		}
		if key := fmt.Sprint(i.descriptor.Digest, i.names, i.tag); !seen[key] {
			seen[key] = true
			a.images = append(a.images, i)
		}
	}
	return nil
}

// dockerNames are the names that Docker's document tells, by the config's digest.
func (a *Archive) dockerNames(listed []dockerImage) (map[digest.Digest][]registry.Ref, error) {
	tagged := map[digest.Digest][]registry.Ref{}
	for _, d := range listed {
		names, err := d.refs()
		if err != nil {
			return nil, err
		}
		if hex := hexadecimal.FindString(d.Config); hex != "" {
			config := digest.NewDigestFromEncoded(digest.SHA256, hex)
			tagged[config] = append(tagged[config], names...)
		}
	}
	return tagged, nil
}

// namesBelow are the names of the images that a manifest is or has.
func (a *Archive) namesBelow(d digest.Digest, tagged map[digest.Digest][]registry.Ref, seen map[digest.Digest]bool) (names []registry.Ref) {
	n := a.manifests[d]
	if n == nil || seen[d] {
		return nil
	}
	seen[d] = true
	for _, c := range n.Manifest.Children {
		names = append(names, a.namesBelow(c.Digest, tagged, seen)...)
	}
	if len(n.Manifest.Blobs) > 0 {
		names = append(names, tagged[n.Manifest.Blobs[0].Digest]...)
	}
	return names
}

// containerdName is the annotation in which containerd keeps the full name.
const containerdName = "io.containerd.image.name"

// root reads an image that the layout lists, with the names that this tells.
func (a *Archive) root(d registry.Descriptor) (i image, err error) {
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return i, err
	}
	n, err := a.load(d, 0)
	if err != nil {
		return i, err
	}
	i.descriptor = n.Descriptor
	text := cmp.Or(d.Annotations[containerdName], d.Annotations[ocispec.AnnotationRefName])
	if text == "" {
		return i, nil
	}
	if registry.ValidTag(text) { // "1.27": what of, it does not say
		i.tag = text
		return i, nil
	}
	ref, err := registry.ParseRef(text)
	i.names = []registry.Ref{ref}
	return i, err
}

// blobMember is where a layout has what a digest names.
func (a *Archive) blobMember(d digest.Digest) (member, bool) {
	m, ok := a.members["blobs/"+d.Algorithm().String()+"/"+d.Encoded()]
	return m, ok
}

// load reads a manifest and what it names. ErrIncomplete when something of it is not
// in the archive: of an index all its manifests, of others a single blob.
func (a *Archive) load(d registry.Descriptor, depth int) (*registry.Node, error) {
	n, known := a.manifests[d.Digest]
	if n != nil {
		return n, nil
	}
	at, ok := a.blobMember(d.Digest)
	if !ok || known {
		return nil, fmt.Errorf("manifest %s: %w: it, or something that it names, is not in the archive", d.Digest, registry.ErrIncomplete)
	}
	a.manifests[d.Digest] = nil
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: indexes within indexes, more than %d deep", registry.ErrInvalid, maxDepth)
	}
	content, err := a.manifest(d, at)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	described := registry.Describe(d.MediaType, content, d.Digest.Algorithm())
	parsed, err := registry.ParseManifest(described.MediaType, content)
	if err == nil && registry.IsIndex(parsed.MediaType) {
		err = a.loadChildren(parsed.Children, depth)
	} else if err == nil {
		err = a.loadBlobs(parsed.Blobs, content)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return a.keep(described, content)
}

// manifest reads and proves the bytes of a manifest.
func (a *Archive) manifest(d registry.Descriptor, at member) ([]byte, error) {
	if at.size != d.Size {
		return nil, fmt.Errorf("%w: %d bytes, want %d", registry.ErrSize, at.size, d.Size)
	}
	content, err := a.small(at, registry.MaxManifestSize)
	if err == nil {
		if got := d.Digest.Algorithm().FromBytes(content); got != d.Digest {
			err = fmt.Errorf("%w: the bytes hash to %s", registry.ErrDigest, got)
		}
	}
	return content, err
}

// loadChildren reads what an index names. What is not there is left out: docker save
// and ctr export write indexes of all platforms, and what they have of them.
func (a *Archive) loadChildren(children []registry.Descriptor, depth int) error {
	there, first := 0, error(nil)
	for _, c := range children {
		_, err := a.load(c, depth+1)
		if err == nil {
			there++
		} else if !errors.Is(err, registry.ErrIncomplete) {
			return err
		}
		first = cmp.Or(first, err)
	}
	if there == 0 {
		return first
	}
	return nil
}

// loadBlobs finds the blobs of a manifest.
func (a *Archive) loadBlobs(blobs []registry.Descriptor, content []byte) error {
	for _, b := range blobs {
		if _, ok := a.blobMember(b.Digest); !ok {
			return fmt.Errorf("blob %s: %w: it is not in the archive", b.Digest, registry.ErrIncomplete)
		}
	}
	for _, b := range blobs {
		at, _ := a.blobMember(b.Digest)
		if err := a.addBlob(b, at); err != nil {
			return err
		}
	}
	return a.checkLayers(content)
}

// keep notes a manifest that is whole.
func (a *Archive) keep(d registry.Descriptor, content []byte) (*registry.Node, error) {
	parsed, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, err
	}
	if a.content += d.Size; a.content > maxManifests {
		return nil, fmt.Errorf("%w: more than %d bytes of manifests", registry.ErrInvalid, maxManifests)
	}
	n := &registry.Node{Descriptor: registry.Bare(d), Manifest: parsed, Content: content}
	a.manifests[d.Digest] = n
	return n, nil
}
