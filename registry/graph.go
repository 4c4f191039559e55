package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Graph is the closure of some names: every manifest and blob that they
// reach, each once, with the repositories that it has to be in. It is made by
// Walk or read from a bundle, and carried out by Copy. All orders are
// deterministic: the same names over the same content give the same Graph.
type Graph struct {
	Names     []Name
	Manifests []Node // children before parents
	Blobs     []Node // in the order in which the manifests name them
}

// Name is a reference and the manifest that it stands for.
type Name struct {
	Ref        Ref
	Descriptor Descriptor
}

// Node is one manifest or blob of a Graph.
type Node struct {
	Descriptor   Descriptor
	Repositories []string  // sorted; never empty; it can be read from any of them
	Manifest     *Manifest // for manifests: what Content says
	Content      []byte    // for manifests: the exact bytes, when they are at hand
	Level        int       // for manifests: 0 when it names no other manifest, else above all that it names
}

// Size is the sum of all content, in bytes, each digest once.
func (g *Graph) Size() (n int64) {
	for _, m := range g.Manifests {
		n += m.Descriptor.Size
	}
	for _, b := range g.Blobs {
		n += b.Descriptor.Size
	}
	return n
}

// BuildGraph puts the closure of names together from manifests that are all
// at hand. manifest returns one with its true descriptor, nil for a child that
// is left out; referrers lists what else belongs to a manifest of a repository.
func BuildGraph(
	names []Name,
	manifest func(digest.Digest) *Node,
	referrers func(repository string, d digest.Digest) []Descriptor,
) *Graph {
	b := graphBuilder{
		manifests: map[digest.Digest]int{}, blobs: map[digest.Digest]int{},
		manifest: manifest, referrers: referrers,
	}
	b.graph.Names = slices.Clone(names)
	slices.SortFunc(b.graph.Names, func(a, b Name) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	b.graph.Names = slices.CompactFunc(b.graph.Names, func(a, b Name) bool { return a.Ref == b.Ref })
	for _, n := range b.graph.Names {
		b.visit(n.Ref.Repository, n.Descriptor)
	}
	return &b.graph
}

// Merge is the closure of the names of several graphs.
func Merge(graphs ...*Graph) *Graph {
	var names []Name
	nodes := map[digest.Digest]*Node{}
	beside := map[place][]Descriptor{}
	for _, g := range graphs {
		names = append(names, g.Names...)
		for i := range g.Manifests {
			n := &g.Manifests[i]
			d := n.Descriptor.Digest
			if nodes[d] == nil || len(n.Manifest.Children) > len(nodes[d].Manifest.Children) {
				nodes[d] = n
			}
			for _, repository := range n.Repositories {
				if s := n.Manifest.Subject; s != nil {
					at := place{repository, s.Digest}
					beside[at] = append(beside[at], n.Descriptor)
				}
			}
		}
	}
	return BuildGraph(names, func(d digest.Digest) *Node { return nodes[d] }, func(repository string, d digest.Digest) []Descriptor {
		return beside[place{repository, d}]
	})
}

type graphBuilder struct {
	graph     Graph
	manifests map[digest.Digest]int // index into graph.Manifests
	blobs     map[digest.Digest]int // index into graph.Blobs
	manifest  func(digest.Digest) *Node
	referrers func(repository string, d digest.Digest) []Descriptor
}

// visit adds a manifest and all below it to a repository; it returns the
// manifest's level, -1 when it is left out.
func (b *graphBuilder) visit(repository string, d Descriptor) int {
	if i, ok := b.manifests[d.Digest]; ok && slices.Contains(b.graph.Manifests[i].Repositories, repository) {
		return b.graph.Manifests[i].Level
	}
	n := b.manifest(d.Digest)
	if n == nil {
		return -1
	}
	level := 0
	for _, c := range n.Manifest.Children {
		level = max(level, b.visit(repository, c)+1)
	}
	for _, blob := range n.Manifest.Blobs {
		b.blob(repository, blob)
	}
	i, known := b.manifests[d.Digest]
	if !known {
		i = len(b.graph.Manifests)
		b.manifests[d.Digest] = i
		b.graph.Manifests = append(b.graph.Manifests, Node{Descriptor: Bare(n.Descriptor), Manifest: n.Manifest, Content: n.Content, Level: level})
	}
	b.graph.Manifests[i].addTo(repository)
	for _, r := range b.referrers(repository, d.Digest) {
		b.visit(repository, r)
	}
	return level
}

func (b *graphBuilder) blob(repository string, d Descriptor) {
	i, known := b.blobs[d.Digest]
	if !known {
		i = len(b.graph.Blobs)
		b.blobs[d.Digest] = i
		b.graph.Blobs = append(b.graph.Blobs, Node{Descriptor: Bare(d)})
	}
	b.graph.Blobs[i].addTo(repository)
}

func (n *Node) addTo(repository string) {
	if i, found := slices.BinarySearch(n.Repositories, repository); !found {
		n.Repositories = slices.Insert(n.Repositories, i, repository)
	}
}

// Bare is the part of a descriptor that says what the bytes are, without what
// one manifest says about them.
func Bare(d Descriptor) Descriptor {
	return Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// ParsePlatform reads os/architecture[/variant], "linux/arm64" or
// "linux/arm/v7".
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return Platform{}, fmt.Errorf("%w: platform %q: want os/architecture[/variant], like linux/arm64", ErrInvalid, s)
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// ParsePlatforms is ParsePlatform of each.
func ParsePlatforms(texts []string) (list []Platform, err error) {
	for _, text := range texts {
		p, err := ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// PlatformString is the form that ParsePlatform reads.
func PlatformString(p Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// AttestationSubject is the annotation with which BuildKit ties an attestation
// manifest to the image beside it in an index.
const AttestationSubject = "vnd.docker.reference.digest"

// SelectChildren is what of an index a platform choice carries: matching
// children, children without a platform, attestations of what is carried. No
// platforms choose everything.
func SelectChildren(children []Descriptor, platforms []Platform) []Descriptor {
	if len(platforms) == 0 {
		return children
	}
	chosen := map[digest.Digest]bool{}
	for _, c := range children {
		if c.Platform == nil || Fits(*c.Platform, platforms) {
			chosen[c.Digest] = c.Annotations[AttestationSubject] == ""
		}
	}
	var selected []Descriptor
	for _, c := range children {
		if chosen[c.Digest] || chosen[digest.Digest(c.Annotations[AttestationSubject])] {
			selected = append(selected, c)
		}
	}
	return selected
}

// Fits reports whether hosts of one of the platforms run what is for have, as
// SelectChildren chooses; without any, all hosts are meant.
func Fits(have Platform, platforms []Platform) bool {
	return len(platforms) == 0 || slices.ContainsFunc(platforms, func(p Platform) bool { return matches(p, have) })
}

// Offers reports whether what is for several platforms has something for hosts of p.
func Offers(have []Platform, p Platform) bool {
	return slices.ContainsFunc(have, func(h Platform) bool { return matches(p, h) })
}

// matches: a wanted platform without a variant takes every variant; arm64
// alone and arm64/v8 are the same.
func matches(want, have Platform) bool {
	if want.OS != have.OS || want.Architecture != have.Architecture {
		return false
	}
	if want.Architecture == "arm64" && have.Variant == "" {
		have.Variant = "v8"
	}
	return want.Variant == "" || want.Variant == have.Variant
}
