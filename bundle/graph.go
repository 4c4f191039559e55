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
// nothing is missing that is not said to be at the site, nothing is there that
// nothing reaches. The manifests' bytes are not kept: they are read again when
// they are needed.
func (r *Reader) link() error {
	nodes := map[digest.Digest]*registry.Node{}
	manifests := map[digest.Digest]*registry.Manifest{}
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
		manifests[m.Digest] = parsed
	}
	names, err := r.names()
	if err != nil {
		return err
	}
	if r.header.Loose == nil {
		manifest := func(d digest.Digest) *registry.Node { return nodes[d] }
		r.closed = registry.BuildGraph(names, manifest, r.referrers())
	} else {
		r.closed = r.looseGraph(nodes)
	}
	if err := r.agree(manifests); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFormat, headerEntry, err)
	}
	carried := *r.closed
	carried.Blobs = slices.DeleteFunc(slices.Clone(r.closed.Blobs), func(n registry.Node) bool { return r.places[n.Descriptor.Digest] == nil })
	slices.SortFunc(carried.Blobs, func(a, b registry.Node) int {
		return cmp.Compare(r.places[a.Descriptor.Digest].offset, r.places[b.Descriptor.Digest].offset)
	})
	r.graph = &carried
	return nil
}

// names are those whose manifest is carried; all are noted.
func (r *Reader) names() (names []registry.Name, err error) {
	r.tags = map[registry.Ref]digest.Digest{}
	for _, n := range r.header.Names {
		ref, err := registry.ParseName(n.Name)
		if err != nil {
			return nil, err
		}
		r.tags[registry.Ref{Repository: ref.Repository, Tag: ref.Tag}] = n.Digest
		if m := r.byHash[n.Digest]; m != nil {
			names = append(names, registry.Name{Ref: ref, Descriptor: m.descriptor()})
		}
	}
	return names, nil
}

// looseGraph is content that no name reaches: each manifest for itself.
func (r *Reader) looseGraph(nodes map[digest.Digest]*registry.Node) *registry.Graph {
	g := &registry.Graph{}
	levels := map[digest.Digest]int{}
	blobs := map[digest.Digest]*registry.Node{}
	put := func(d registry.Descriptor, repositories []string) {
		if blobs[d.Digest] == nil {
			blobs[d.Digest] = &registry.Node{Descriptor: registry.Bare(d)}
		}
		n := blobs[d.Digest]
		n.Repositories = append(n.Repositories, repositories...)
		slices.Sort(n.Repositories)
		n.Repositories = slices.Compact(n.Repositories)
	}
	for _, m := range r.header.Manifests { // children stand before parents
		n := *nodes[m.Digest]
		n.Repositories = m.Repositories
		for _, c := range n.Manifest.Children {
			if level, carried := levels[c.Digest]; carried {
				n.Level = max(n.Level, level+1)
			}
		}
		levels[m.Digest] = n.Level
		g.Manifests = append(g.Manifests, n)
		for _, b := range n.Manifest.Blobs {
			put(b, m.Repositories)
		}
	}
	loose := r.header.looseByDigest()
	for _, b := range r.header.Blobs {
		put(registry.Descriptor{Digest: b.Digest, Size: b.Size}, loose[b.Digest])
	}
	for _, n := range blobs {
		g.Blobs = append(g.Blobs, *n)
	}
	slices.SortFunc(g.Blobs, func(a, b registry.Node) int { return cmp.Compare(a.Descriptor.Digest, b.Descriptor.Digest) })
	return g
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
func (r *Reader) agree(manifests map[digest.Digest]*registry.Manifest) error {
	if len(r.closed.Manifests) != len(r.header.Manifests) {
		return errors.New("a manifest is listed that no name reaches")
	}
	for _, n := range r.closed.Manifests {
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
	if r.header.Format == FormatTerms && !slices.Equal(r.header.needed(manifests), r.header.Requires) {
		return errors.New("requires is not what the manifests need")
	}
	return r.agreeBlobs()
}

func (r *Reader) agreeBlobs() error {
	carried := 0
	for _, n := range r.closed.Blobs {
		if !r.header.requires(n.Descriptor.Digest) {
			carried++
		}
	}
	if len(r.header.Blobs) != carried {
		return fmt.Errorf("%d blobs are listed, the manifests name %d", len(r.header.Blobs), carried)
	}
	for _, n := range r.closed.Manifests {
		for _, b := range n.Manifest.Blobs {
			e := r.places[b.Digest]
			if e == nil && r.header.requires(b.Digest) {
				continue
			}
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
