package wants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
)

// Find looks for what is wanted. OfBundle it is a graph without names. OfDefinition it
// is the graph of the pinned names; a bundle of it is made with Have, and so carries
// what is wanted, and the manifests above that. Platforms and referrers of opts do not
// matter: the list says what is wanted. ErrNotFound names what src is without, and for
// which item it is wanted.
func (w *Wants) Find(ctx context.Context, src registry.Reader, opts registry.WalkOptions) (*registry.Graph, error) {
	var err error
	if opts.Platforms, err = registry.ParsePlatforms(w.Platforms); err != nil {
		return nil, err
	}
	if w.Format == OfDefinition {
		return w.findPinned(ctx, src, opts)
	}
	return w.findLoose(ctx, src, opts)
}

// findLoose finds each want for itself.
func (w *Wants) findLoose(ctx context.Context, src registry.Reader, opts registry.WalkOptions) (*registry.Graph, error) {
	var refs []registry.Ref
	for _, want := range w.Wants {
		for _, repository := range want.Repositories {
			if want.Kind == Manifest {
				refs = append(refs, registry.Ref{Repository: repository, Digest: want.Digest})
			}
		}
	}
	g := &registry.Graph{}
	if len(refs) > 0 {
		var err error
		if g, err = registry.Walk(ctx, src, refs, opts); err != nil {
			return nil, err
		}
		g.Names = nil
	}
	at := map[digest.Digest]int{}
	for i, n := range g.Blobs {
		at[n.Descriptor.Digest] = i
	}
	for _, want := range w.Wants {
		if want.Kind != Blob {
			continue
		}
		i, known := at[want.Digest]
		if !known {
			i = len(g.Blobs)
			g.Blobs = append(g.Blobs, registry.Node{Descriptor: registry.Descriptor{Digest: want.Digest, Size: want.Size}})
		}
		n := &g.Blobs[i]
		n.Repositories = append(slices.Clone(n.Repositories), want.Repositories...)
		slices.Sort(n.Repositories)
		n.Repositories = slices.Compact(n.Repositories)
	}
	return g, nil
}

// place is a manifest of a repository.
type place struct {
	repository string
	digest     digest.Digest
}

// reach is what is below a manifest for some platforms.
type reach struct {
	place
	platforms string
}

// finder reads what pinned names reach. Of what is beside a manifest it takes what is
// wanted, and nothing that has come since the definition was made.
type finder struct {
	list      *Wants
	src       registry.Reader
	platforms []registry.Platform
	wanted    map[digest.Digest]*Want

	mu      sync.Mutex // protects the fields below
	nodes   map[digest.Digest]*registry.Node
	visited map[place]bool
	below   map[reach]bool                  // begun
	beside  map[place][]registry.Descriptor // referrers
}

func (w *Wants) findPinned(ctx context.Context, src registry.Reader, opts registry.WalkOptions) (*registry.Graph, error) {
	f := &finder{list: w, src: w.route(src), platforms: opts.Platforms, wanted: map[digest.Digest]*Want{},
		nodes: map[digest.Digest]*registry.Node{}, visited: map[place]bool{}, below: map[reach]bool{}, beside: map[place][]registry.Descriptor{}}
	for i := range w.Wants {
		f.wanted[w.Wants[i].Digest] = &w.Wants[i]
	}
	jobs := cmp.Or(opts.Jobs, registry.DefaultJobs)
	if err := tryAll(ctx, jobs, w.Names, f.name); err != nil {
		return nil, err
	}
	if err := tryAll(ctx, jobs, w.Wants, f.adopt); err != nil {
		return nil, err
	}
	g, err := f.graph()
	if err != nil {
		return nil, err
	}
	if len(f.left(g)) > 0 {
		if err := f.lookBeside(ctx, g); err != nil {
			return nil, err
		}
		if g, err = f.graph(); err != nil {
			return nil, err
		}
	}
	return g, f.allReached(g)
}

// tryAll does something for each, and fails with all that fail.
func tryAll[T any](ctx context.Context, jobs int, list []T, do func(context.Context, T) error) error {
	numbers := make([]int, len(list))
	for i := range numbers {
		numbers[i] = i
	}
	errs := make([]error, len(list))
	err := parallel.Do(ctx, jobs, numbers, func(ctx context.Context, i int) error {
		errs[i] = do(ctx, list[i])
		return nil
	})
	return cmp.Or(err, errors.Join(errs...))
}

// name visits what a pinned name reaches.
func (f *finder) name(ctx context.Context, n Pinned) error {
	ref, err := registry.ParseName(n.Name)
	if err != nil {
		return err
	}
	platforms, err := registry.ParsePlatforms(n.Platforms)
	if err != nil {
		return err
	}
	if len(platforms) == 0 {
		platforms = f.platforms
	}
	return f.visit(ctx, place{ref.Repository, n.Digest}, platforms)
}

// visit reads a manifest and all below it. A child that nobody wants need not be there.
func (f *finder) visit(ctx context.Context, at place, platforms []registry.Platform) error {
	n, err := f.node(ctx, at)
	if err != nil {
		return err
	}
	f.mu.Lock()
	below := reach{at, texts(platforms)}
	again := f.below[below]
	f.visited[at], f.below[below] = true, true
	f.mu.Unlock()
	if again {
		return nil
	}
	for _, c := range registry.SelectChildren(n.Manifest.Children, platforms) {
		err := f.visit(ctx, place{at.repository, c.Digest}, platforms)
		if errors.Is(err, registry.ErrNotFound) && f.wanted[c.Digest] == nil {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// texts tells lists of platforms apart.
func texts(platforms []registry.Platform) string {
	var list []string
	for _, p := range platforms {
		list = append(list, registry.PlatformString(p))
	}
	return strings.Join(list, " ")
}

// node reads a manifest once.
func (f *finder) node(ctx context.Context, at place) (*registry.Node, error) {
	f.mu.Lock()
	n := f.nodes[at.digest]
	f.mu.Unlock()
	if n != nil {
		return n, nil
	}
	d, content, err := f.src.Manifest(ctx, registry.Ref{Repository: at.repository, Digest: at.digest})
	if err != nil {
		return nil, err
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.digest, err)
	}
	m.Children = registry.SelectChildren(m.Children, f.platforms)
	d.Digest, d.Size = at.digest, int64(len(content))
	n = &registry.Node{Descriptor: registry.Bare(d), Manifest: m, Content: content}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes[at.digest] == nil {
		f.nodes[at.digest] = n
	}
	return f.nodes[at.digest], nil
}

// adopt ties a wanted manifest that no name has reached to what it refers to.
func (f *finder) adopt(ctx context.Context, want Want) error {
	if want.Kind != Manifest {
		return nil
	}
	for _, repository := range want.Repositories {
		if err := f.tie(ctx, place{repository, want.Digest}); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) tie(ctx context.Context, at place) error {
	f.mu.Lock()
	visited := f.visited[at]
	f.mu.Unlock()
	if visited {
		return nil
	}
	if err := f.visit(ctx, at, f.platforms); err != nil {
		return err
	}
	n, err := f.node(ctx, at)
	if err != nil || n.Manifest.Subject == nil {
		return err // allReached tells of what is tied to nothing
	}
	subject := place{at.repository, n.Manifest.Subject.Digest}
	f.putBeside(subject, n.Descriptor)
	return f.tie(ctx, subject)
}

func (f *finder) putBeside(subject place, d registry.Descriptor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.beside[subject]
	i, found := slices.BinarySearchFunc(list, d, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	if !found {
		f.beside[subject] = slices.Insert(list, i, registry.Bare(d))
	}
}

func (f *finder) graph() (*registry.Graph, error) {
	var names []registry.Name
	for _, n := range f.list.Names {
		ref, err := registry.ParseName(n.Name)
		if err != nil {
			return nil, err
		}
		names = append(names, registry.Name{Ref: ref, Descriptor: f.nodes[n.Digest].Descriptor})
	}
	reached := map[digest.Digest]bool{}
	for at := range f.visited {
		reached[at.digest] = true
	}
	manifest := func(d digest.Digest) *registry.Node {
		if !reached[d] {
			return nil
		}
		return f.nodes[d]
	}
	return registry.BuildGraph(names, manifest, func(repository string, d digest.Digest) []registry.Descriptor {
		return f.beside[place{repository, d}]
	}), nil
}

// left is what is wanted of a repository and not in a graph of that repository.
func (f *finder) left(g *registry.Graph) map[digest.Digest]string {
	have := map[digest.Digest]registry.Node{}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		have[n.Descriptor.Digest] = n
	}
	left := map[digest.Digest]string{}
	for _, want := range f.list.Wants {
		for _, repository := range want.Repositories {
			if !slices.Contains(have[want.Digest].Repositories, repository) {
				left[want.Digest] = repository
				break
			}
		}
	}
	return left
}

// lookBeside takes those referrers along that have something that is wanted: a
// manifest that is at the site, of which a blob is not.
func (f *finder) lookBeside(ctx context.Context, g *registry.Graph) error {
	for _, n := range g.Manifests {
		for _, repository := range n.Repositories {
			if _, err := f.side(ctx, place{repository, n.Descriptor.Digest}); err != nil {
				return err
			}
		}
	}
	return nil
}

// side reports whether anything beside a manifest has something that is wanted.
func (f *finder) side(ctx context.Context, at place) (found bool, err error) {
	list, err := f.src.Referrers(ctx, at.repository, at.digest)
	if err != nil {
		return false, fmt.Errorf("referrers of %s@%s: %w", at.repository, at.digest, err)
	}
	for _, d := range list {
		of := place{at.repository, d.Digest}
		n, err := f.node(ctx, of)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		holds := slices.ContainsFunc(n.Manifest.Blobs, func(b registry.Descriptor) bool { return f.wanted[b.Digest] != nil })
		deeper, err := f.side(ctx, of)
		if err != nil {
			return false, err
		}
		if !holds && !deeper {
			continue
		}
		found = true
		f.putBeside(at, n.Descriptor)
		if err := f.visit(ctx, of, f.platforms); err != nil {
			return false, err
		}
	}
	return found, nil
}

// allReached fails with what is wanted and that no name reaches, or as something else.
func (f *finder) allReached(g *registry.Graph) error {
	left := f.left(g)
	sizes := map[digest.Digest]int64{}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		sizes[n.Descriptor.Digest] = n.Descriptor.Size
	}
	var errs []error
	for _, want := range f.list.Wants {
		repository, unreached := left[want.Digest]
		switch {
		case unreached:
			errs = append(errs, fmt.Errorf("%w: %s %s of %s, wanted for %s: no name of the list reaches it: make the list again with 'landfall definition check --wants'",
				registry.ErrNotFound, want.Kind, want.Digest, repository, items(want.For)))
		case sizes[want.Digest] != want.Size:
			errs = append(errs, fmt.Errorf("%w: %s %s of %s, wanted for %s: the list says %d bytes, its manifest %d: build the definition again",
				registry.ErrInvalid, want.Kind, want.Digest, want.Repositories[0], items(want.For), want.Size, sizes[want.Digest]))
		}
	}
	return errors.Join(errs...)
}

// items names a few.
func items(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}
