package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// link reads all manifests and proves that they and the header tell the same:
// nothing is missing, nothing is there that no name reaches. The manifests'
// bytes are not kept: they are read again when they are needed.
func (r *Reader) link() error {
	nodes := map[digest.Digest]*registry.Node{}
	for _, m := range r.header.Manifests {
		content, err := r.content(m.descriptor())
		if err != nil {
			return err
		}
		parsed, err := registry.ParseManifest(m.MediaType, content)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Digest, err)
		}
		nodes[m.Digest] = &registry.Node{Descriptor: m.descriptor(), Manifest: parsed}
	}
	names := make([]registry.Name, len(r.header.Names))
	r.tags = map[registry.Ref]digest.Digest{}
	for i, n := range r.header.Names {
		ref, err := registry.ParseName(n.Name)
		if err != nil {
			return err
		}
		names[i] = registry.Name{Ref: ref, Descriptor: r.byHash[n.Digest].descriptor()}
		r.tags[registry.Ref{Repository: ref.Repository, Tag: ref.Tag}] = n.Digest
	}
	manifest := func(d digest.Digest) *registry.Node { return nodes[d] }
	r.graph = registry.BuildGraph(names, manifest, r.referrers())
	if err := r.agree(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFormat, headerEntry, err)
	}
	slices.SortFunc(r.graph.Blobs, func(a, b registry.Node) int {
		return cmp.Compare(r.places[a.Descriptor.Digest].offset, r.places[b.Descriptor.Digest].offset)
	})
	return nil
}

// referrers looks subjects up in the header, in order of digest.
func (r *Reader) referrers() func(string, digest.Digest) []registry.Descriptor {
	bySubject := map[digest.Digest][]Manifest{}
	for _, m := range r.header.Manifests {
		if m.Subject != "" {
			bySubject[m.Subject] = append(bySubject[m.Subject], m)
		}
	}
	for _, list := range bySubject {
		slices.SortFunc(list, func(a, b Manifest) int { return cmp.Compare(a.Digest, b.Digest) })
	}
	return func(repository string, subject digest.Digest) (list []registry.Descriptor) {
		for _, m := range bySubject[subject] {
			if m.in(repository) {
				list = append(list, m.descriptor())
			}
		}
		return list
	}
}

// agree compares the graph that the manifests make with the header's lists.
func (r *Reader) agree() error {
	if len(r.graph.Manifests) != len(r.header.Manifests) {
		return errors.New("a manifest is listed that no name reaches")
	}
	for _, n := range r.graph.Manifests {
		m := r.byHash[n.Descriptor.Digest]
		var subject digest.Digest
		if n.Manifest.Subject != nil {
			subject = n.Manifest.Subject.Digest
		}
		if !slices.Equal(n.Repositories, m.Repositories) || subject != m.Subject {
			return fmt.Errorf("%s: repositories or subject are not what the manifests say", m.Digest)
		}
		for _, c := range n.Manifest.Children {
			if r.byHash[c.Digest] != nil && r.places[c.Digest].offset > m.Offset {
				return fmt.Errorf("%s stands before %s, which it lists", m.Digest, c.Digest)
			}
		}
	}
	if len(r.graph.Blobs) != len(r.header.Blobs) {
		return fmt.Errorf("%d blobs are listed, the manifests name %d", len(r.header.Blobs), len(r.graph.Blobs))
	}
	for _, n := range r.graph.Manifests {
		for _, b := range n.Manifest.Blobs {
			e := r.places[b.Digest]
			if e == nil || r.byHash[b.Digest] != nil {
				return fmt.Errorf("blob %s is named by a manifest and not listed", b.Digest)
			}
			if e.size != b.Size {
				return fmt.Errorf("blob %s: %d bytes are listed, a manifest says %d", b.Digest, e.size, b.Size)
			}
		}
	}
	return nil
}
