package mirror

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/config"
)

// Action is what becomes of an image.
type Action string

// What can become of an image.
const (
	Copy   Action = "copy"
	Skip   Action = "skip"   // it is there
	Refuse Action = "refuse" // it is not signed by those who have to
	Fail   Action = "fail"   // it cannot be had
	Defer  Action = "defer"  // its link is closed
)

// Plan is what has to be done to be level. It is data: what Run does is all here.
type Plan struct {
	Made      time.Time  `json:"made"`
	Mirrors   []Chosen   `json:"mirrors"`
	Images    []Image    `json:"images"`    // by destination
	Deletions []Deletion `json:"deletions"` // by name
	Bytes     int64      `json:"bytes"`     // that move, each blob once
	Blobs     int        `json:"blobs"`     // that move

	unplanned bool // nobody was asked what is at the destination
	transfers map[digest.Digest]*transfer
	verdicts  map[registry.Ref]trust.ImageVerdict // by destination, without tag
}

// Chosen is what a mirror found at its sources.
type Chosen struct {
	Name     string     `json:"name"`
	Tags     int        `json:"tags"`               // that are chosen
	Left     int        `json:"left"`               // that are there and not chosen
	Problem  string     `json:"problem,omitempty"`  // why it could not be planned, in whole or in part
	Deferred *time.Time `json:"deferred,omitempty"` // when its link opens
	OnDemand bool       `json:"onDemand,omitempty"` // nothing is copied ahead

	err error
}

// Image is one tag of a source.
type Image struct {
	Mirror      string        `json:"mirror"`
	Source      string        `json:"source"`
	Destination string        `json:"destination"`
	Digest      digest.Digest `json:"digest,omitempty"`
	Was         digest.Digest `json:"was,omitempty"` // what the destination has under the name
	Action      Action        `json:"action"`
	Reason      string        `json:"reason"`
	Size        int64         `json:"size,omitempty"`  // of all that it reaches
	Bytes       int64         `json:"bytes,omitempty"` // that it adds to what moves

	mirror *config.Mirror
	source *source
	from   registry.Ref
	to     registry.Ref
	graph  *registry.Graph // in the names of the source; nil unless it is copied
	err    error
}

// Deletion is a tag of the destination that goes.
type Deletion struct {
	Mirror string        `json:"mirror"`
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest,omitempty"`
	Reason string        `json:"reason"`

	ref registry.Ref
}

// fail makes an image one that cannot be had, for a reason.
func (i *Image) fail(err error) {
	i.Action, i.err, i.Reason, i.graph = Fail, err, oneLine(err), nil
	if errors.Is(err, registry.ErrUntrusted) {
		i.Action = Refuse
	}
}

// repository is where an image's content lands that is in a repository of the source.
func (i *Image) repository(source string) string { return i.mirror.To.Repository(source) }

// Count is how many images have an action.
func (p *Plan) Count(a Action) (n int) {
	for _, i := range p.Images {
		if i.Action == a {
			n++
		}
	}
	return n
}

// Graph is all content that is copied or there already, by the names of the
// destination, without the images that are left out: what a bundle is laid out
// for. It is complete when nothing was there when the plan was made.
func (p *Plan) Graph() *registry.Graph {
	nodes := map[digest.Digest]*registry.Node{}
	beside := map[registry.Ref][]registry.Descriptor{} // by subject in the destination
	var names []registry.Name
	for _, i := range p.Images {
		if i.Action != Copy || i.graph == nil {
			continue
		}
		for k := range i.graph.Manifests {
			n := &i.graph.Manifests[k]
			nodes[n.Descriptor.Digest] = together(nodes[n.Descriptor.Digest], n)
			if n.Manifest.Subject == nil {
				continue
			}
			for _, r := range n.Repositories {
				at := registry.Ref{Repository: i.repository(r), Digest: n.Manifest.Subject.Digest}
				beside[at] = append(beside[at], n.Descriptor)
			}
		}
		for _, n := range i.graph.Names {
			ref := registry.Ref{Repository: i.repository(n.Ref.Repository), Tag: n.Ref.Tag}
			names = append(names, registry.Name{Ref: ref, Descriptor: n.Descriptor})
		}
	}
	return registry.BuildGraph(names, func(d digest.Digest) *registry.Node { return nodes[d] },
		func(repository string, d digest.Digest) []registry.Descriptor {
			list := beside[registry.Ref{Repository: repository, Digest: d}]
			slices.SortFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
			return slices.CompactFunc(list, func(a, b registry.Descriptor) bool { return a.Digest == b.Digest })
		})
}

// together is one node of two: other platforms of an index may be chosen by another
// mirror.
func together(a, b *registry.Node) *registry.Node {
	if a == nil || len(a.Manifest.Children) == 0 {
		return b
	}
	both := *b
	m := *b.Manifest
	m.Children = slices.Clone(a.Manifest.Children)
	for _, c := range b.Manifest.Children {
		if !slices.ContainsFunc(m.Children, func(d registry.Descriptor) bool { return d.Digest == c.Digest }) {
			m.Children = append(m.Children, c)
		}
	}
	both.Manifest = &m
	return &both
}

// Without is the plan without images of some destinations.
func (p *Plan) Without(destinations []string) *Plan {
	next := *p
	next.Images = slices.Clone(p.Images)
	for k := range next.Images {
		if slices.Contains(destinations, next.Images[k].Destination) && next.Images[k].Action == Copy {
			next.Images[k].Action = Fail
		}
	}
	return &next
}
