package bundle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
)

// Base is what a thin bundle stands on: content by its digest, whichever
// repository it belongs to.
type Base interface {
	// ManifestOf is a manifest with its exact bytes; ErrNotFound without it.
	ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error)
	// ReferrersOf lists the manifests whose subject is d.
	ReferrersOf(ctx context.Context, d digest.Digest) ([]registry.Descriptor, error)
	// MissingBlobs returns the blobs that are not there, whole and of their size.
	MissingBlobs(ctx context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error)
	// BlobBytes reads a blob; its end proves it.
	BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// Completed is a bundle together with what it stands on: a registry.Reader of
// everything that its names reach.
type Completed struct {
	*Reader
	base  Base
	graph *registry.Graph
	nodes map[digest.Digest]*registry.Node // of graph's manifests
}

func (r *Reader) completed(base Base, g *registry.Graph) *Completed {
	c := &Completed{r, base, g, map[digest.Digest]*registry.Node{}}
	for i, n := range g.Manifests {
		c.nodes[n.Descriptor.Digest] = &g.Manifests[i]
	}
	return c
}

// Graph is the closure of all names; for loose content, that content.
func (c *Completed) Graph() *registry.Graph { return c.graph }

// Resolve implements registry.Reader.
func (c *Completed) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	d := cmp.Or(ref.Digest, c.tags[registry.Ref{Repository: ref.Repository, Tag: ref.Tag}])
	n := c.nodes[d]
	if n == nil || !slices.Contains(n.Repositories, ref.Repository) {
		return registry.Descriptor{}, fmt.Errorf("%s: %s: %w", c.name, ref, registry.ErrNotFound)
	}
	return n.Descriptor, nil
}

// Manifest implements registry.Reader.
func (c *Completed) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	d, err := c.Resolve(ctx, ref)
	if err != nil {
		return d, nil, err
	}
	if content := c.nodes[d.Digest].Content; content != nil {
		return d, content, nil
	}
	return c.ManifestOf(ctx, d.Digest)
}

// Referrers implements registry.Reader.
func (c *Completed) Referrers(_ context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	return referrersIn(c.graph, repository, subject), nil
}

// Blob implements registry.Reader.
func (c *Completed) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	if c.places[d.Digest] != nil {
		return c.Reader.Blob(ctx, repository, d)
	}
	return c.base.BlobBytes(ctx, d.Digest)
}

// MissingError is an ErrIncomplete: what a bundle needs is not at the site.
type MissingError struct {
	Wants *wants.Wants
	Site  string // id; may be empty
}

func (e *MissingError) Error() string {
	w := e.Wants
	first := w.Wants[0]
	text := fmt.Sprintf("%s: %s %s of %s is not at the site", registry.ErrIncomplete, first.Kind, first.Digest, first.Repositories[0])
	if more := len(w.Wants) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	if w.Site != "" && e.Site != "" && w.Site != e.Site {
		text += fmt.Sprintf(" (the bundle was made for site %s, this is %s)", w.Site, e.Site)
	}
	return text
}

// Is makes the error an ErrIncomplete.
func (e *MissingError) Is(target error) bool { return target == registry.ErrIncomplete }

// Complete finds what the bundle is without. A *MissingError lists all that is
// in neither.
func (r *Reader) Complete(ctx context.Context, base Base) (*Completed, error) {
	if !r.header.Thin() {
		return r.completed(base, r.graph), nil
	}
	f := &finder{r: r, base: base, carried: r.referrers(), platforms: r.header.platforms(), nodes: map[digest.Digest]*registry.Node{},
		beside: map[digest.Digest][]registry.Descriptor{}, wants: map[digest.Digest]*wants.Want{}}
	graph := r.closed
	if r.header.Loose == nil {
		var err error
		if graph, err = f.graph(ctx); err != nil {
			return nil, err
		}
	}
	if err := f.blobs(ctx, graph); err != nil {
		return nil, err
	}
	if len(f.wants) > 0 {
		return nil, &MissingError{Wants: f.wantList()}
	}
	return r.completed(base, graph), nil
}

// finder walks a bundle's names through the bundle and its base.
type finder struct {
	r         *Reader
	base      Base
	carried   func(repository string, subject digest.Digest) []registry.Descriptor
	platforms []registry.Platform
	nodes     map[digest.Digest]*registry.Node // nil: neither has it
	beside    map[digest.Digest][]registry.Descriptor
	wants     map[digest.Digest]*wants.Want
}

func (f *finder) graph(ctx context.Context) (*registry.Graph, error) {
	for _, n := range f.r.graph.Manifests {
		f.nodes[n.Descriptor.Digest] = &registry.Node{Descriptor: n.Descriptor, Manifest: n.Manifest}
	}
	var names []registry.Name
	for _, n := range f.r.header.Names {
		ref, err := registry.ParseName(n.Name)
		if err != nil {
			return nil, err
		}
		if err := f.visit(ctx, ref.Repository, n.Digest, map[digest.Digest]bool{}); err != nil {
			return nil, err
		}
		if node := f.nodes[n.Digest]; node != nil {
			names = append(names, registry.Name{Ref: ref, Descriptor: node.Descriptor})
		}
	}
	return registry.BuildGraph(names, func(d digest.Digest) *registry.Node { return f.nodes[d] },
		func(repository string, d digest.Digest) []registry.Descriptor {
			if f.r.byHash[d] != nil {
				return f.carried(repository, d) // all of them
			}
			return f.beside[d]
		}), nil
}

// visit brings a manifest and what is below and beside it to hand.
func (f *finder) visit(ctx context.Context, repository string, d digest.Digest, seen map[digest.Digest]bool) error {
	if seen[d] {
		return nil
	}
	seen[d] = true
	n, known := f.nodes[d]
	if !known {
		var err error
		if n, err = f.fetch(ctx, d); err != nil {
			return err
		}
		f.nodes[d] = n
	}
	if n == nil {
		f.want(wants.Want{Digest: d, Kind: wants.Manifest}, repository)
		return nil
	}
	var next []registry.Descriptor
	for _, c := range registry.SelectChildren(n.Manifest.Children, f.platforms) {
		if !f.r.header.isAbsent(c.Digest) {
			next = append(next, c)
		}
	}
	if f.r.byHash[d] != nil {
		next = append(next, f.carried(repository, d)...)
	} else {
		next = append(next, f.beside[d]...)
	}
	for _, c := range next {
		if err := f.visit(ctx, repository, c.Digest, seen); err != nil {
			return err
		}
	}
	return nil
}

// fetch reads a manifest from the base; nil when it is not there either.
func (f *finder) fetch(ctx context.Context, d digest.Digest) (*registry.Node, error) {
	descriptor, content, err := f.base.ManifestOf(ctx, d)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	parsed, err := registry.ParseManifest(descriptor.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	list, err := f.base.ReferrersOf(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("referrers of %s: %w", d, err)
	}
	f.beside[d] = list
	return &registry.Node{Descriptor: registry.Bare(descriptor), Manifest: parsed, Content: content}, nil
}

// blobs asks the base for all that is not carried.
func (f *finder) blobs(ctx context.Context, g *registry.Graph) error {
	nodes := map[digest.Digest]*registry.Node{}
	var needed []registry.Descriptor
	for i, n := range g.Blobs {
		if f.r.places[n.Descriptor.Digest] == nil {
			nodes[n.Descriptor.Digest] = &g.Blobs[i]
			needed = append(needed, n.Descriptor)
		}
	}
	missing, err := f.base.MissingBlobs(ctx, needed)
	for _, d := range missing {
		f.want(wants.Want{Digest: d.Digest, Kind: wants.Blob, Size: d.Size}, nodes[d.Digest].Repositories...)
	}
	return err
}

func (f *finder) want(w wants.Want, repositories ...string) {
	if f.wants[w.Digest] == nil {
		f.wants[w.Digest] = &w
	}
	have := f.wants[w.Digest]
	have.Repositories = append(have.Repositories, repositories...)
	slices.Sort(have.Repositories)
	have.Repositories = slices.Compact(have.Repositories)
}

func (f *finder) wantList() *wants.Wants {
	h := f.r.header
	w := &wants.Wants{Bundle: h.ID, Format: wants.OfBundle, Platforms: h.Platforms, Site: h.For}
	for _, want := range f.wants {
		w.Wants = append(w.Wants, *want)
	}
	slices.SortFunc(w.Wants, func(a, b wants.Want) int { return cmp.Compare(a.Digest, b.Digest) })
	return w
}
