package bundle

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// without is what of a graph has to be carried. A manifest can stay behind when
// the site has it and all below and beside it; then what is carried always
// hangs together from the names down. A referrer of something carried is
// carried too, so that it comes to every repository that its subject comes to.
func (o *CreateOptions) without(g *registry.Graph) *registry.Graph {
	if o.Have == nil {
		return g
	}
	t := &thinner{have: o.Have, nodes: map[digest.Digest]*registry.Node{}, referrers: map[digest.Digest][]digest.Digest{}, whole: map[digest.Digest]bool{}}
	for i, n := range g.Manifests {
		t.nodes[n.Descriptor.Digest] = &g.Manifests[i]
		if s := n.Manifest.Subject; s != nil {
			t.referrers[s.Digest] = append(t.referrers[s.Digest], n.Descriptor.Digest)
		}
	}
	carried := map[digest.Digest]bool{}
	for _, n := range g.Manifests {
		if !t.atSite(n.Descriptor.Digest) {
			t.carry(n.Descriptor.Digest, carried)
		}
	}
	thin := &registry.Graph{}
	for _, n := range g.Names {
		if carried[n.Descriptor.Digest] {
			thin.Names = append(thin.Names, n)
		}
	}
	for _, n := range g.Manifests {
		if carried[n.Descriptor.Digest] {
			thin.Manifests = append(thin.Manifests, n)
		}
	}
	for _, b := range g.Blobs {
		if !o.Have(b.Descriptor.Digest) {
			thin.Blobs = append(thin.Blobs, b)
		}
	}
	return thin
}

type thinner struct {
	have      func(digest.Digest) bool
	nodes     map[digest.Digest]*registry.Node
	referrers map[digest.Digest][]digest.Digest
	whole     map[digest.Digest]bool // what atSite has found out
}

// atSite reports whether the site has a manifest with all below and beside it.
// What refers to itself, as no digest can, would be taken for there.
func (t *thinner) atSite(d digest.Digest) bool {
	if whole, known := t.whole[d]; known {
		return whole
	}
	n := t.nodes[d]
	if n == nil {
		return true // it is left out of the graph
	}
	t.whole[d] = true
	whole := t.have(d) &&
		!slices.ContainsFunc(n.Manifest.Blobs, func(b registry.Descriptor) bool { return !t.have(b.Digest) }) &&
		!slices.ContainsFunc(n.Manifest.Children, func(c registry.Descriptor) bool { return !t.atSite(c.Digest) }) &&
		!slices.ContainsFunc(t.referrers[d], func(r digest.Digest) bool { return !t.atSite(r) })
	t.whole[d] = whole
	return whole
}

// carry adds a manifest with its referrers.
func (t *thinner) carry(d digest.Digest, carried map[digest.Digest]bool) {
	if carried[d] {
		return
	}
	carried[d] = true
	for _, r := range t.referrers[d] {
		t.carry(r, carried)
	}
}
