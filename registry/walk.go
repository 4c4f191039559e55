package registry

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
)

// DefaultJobs is how many transfers run at once when nothing else is said.
const DefaultJobs = 4

// WalkOptions chooses what of the names' closure is wanted. The zero value
// takes everything.
type WalkOptions struct {
	// Platforms limits what indexes carry. The index itself is kept byte for
	// byte. A name that has none of the platforms is ErrNotFound.
	Platforms []Platform
	// NoReferrers leaves signatures, SBOMs and attestations behind.
	NoReferrers bool
	// Referrer chooses which of them come along; nil: all. What is kept under a tag
	// that cosign makes from a digest is asked for with its CompanionType.
	Referrer func(Descriptor) bool
	// Sparse accepts children of indexes that the source does not have, as
	// stores and bundles that were filled with a platform filter do not.
	Sparse bool
	// Jobs is how many manifests are read at once; DefaultJobs when 0.
	Jobs int
}

// Walk reads every manifest that the names reach and returns their Graph. All
// names are tried before it fails, so that one error tells of every name that
// cannot be had.
func Walk(ctx context.Context, src Reader, refs []Ref, opts WalkOptions) (*Graph, error) {
	w := &walker{
		src: src, opts: opts,
		slots:     make(chan struct{}, cmp.Or(opts.Jobs, DefaultJobs)),
		manifests: map[digest.Digest]*Node{},
		visited:   map[place]bool{},
		referrers: map[place][]Descriptor{},
		signed:    map[string]*signatureTags{},
	}
	refs = uniqueRefs(refs)
	names, err := w.names(ctx, refs)
	if err != nil {
		return nil, err
	}
	return w.graph(append(names, w.extra...)), nil
}

// names walks every reference, and fails with all that cannot be had.
func (w *walker) names(ctx context.Context, refs []Ref) ([]Name, error) {
	names := make([]Name, len(refs))
	errs := make([]error, len(refs))
	numbers := make([]int, len(refs))
	for i := range numbers {
		numbers[i] = i
	}
	// Twice as many names as slots: one may wait while another is parsed.
	err := parallel.Do(ctx, 2*cap(w.slots), numbers, func(ctx context.Context, i int) error {
		names[i], errs[i] = w.name(ctx, refs[i])
		return nil
	})
	if err == nil {
		err = errors.Join(errs...)
	}
	if err == nil {
		err = oneMeaning(names)
	}
	if err == nil {
		err = parallel.Do(ctx, cap(w.slots), names, w.fits)
	}
	return names, err
}

// oneMeaning: a tag that was asked for with two digests would land as either.
func oneMeaning(names []Name) error {
	tags := map[Ref]Name{}
	for _, n := range names {
		tag := Ref{Repository: n.Ref.Repository, Tag: n.Ref.Tag}
		if other, known := tags[tag]; known && tag.Tag != "" && other.Descriptor.Digest != n.Descriptor.Digest {
			return fmt.Errorf("%w: %s and %s stand for different content (%s, %s): keep one, or drop the tag of the one with a digest",
				ErrInvalid, other.Ref, n.Ref, other.Descriptor.Digest, n.Descriptor.Digest)
		}
		tags[tag] = n
	}
	return nil
}

func uniqueRefs(refs []Ref) []Ref {
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(refs)
}

type place struct {
	repository string
	digest     digest.Digest
}

// walker reads concurrently into maps; the Graph is built from them in a
// fixed order afterwards.
type walker struct {
	src   Reader
	opts  WalkOptions
	slots chan struct{} // one for each request under way

	mu        sync.Mutex              // protects the fields below
	manifests map[digest.Digest]*Node // children: the selected ones
	visited   map[place]bool
	referrers map[place][]Descriptor
	signed    map[string]*signatureTags
	extra     []Name
}

func (w *walker) name(ctx context.Context, ref Ref) (Name, error) {
	d, content, err := w.read(ctx, ref)
	if err != nil {
		return Name{}, SourceError(ref.String(), err)
	}
	if err := w.visit(ctx, ref.Repository, d, content); err != nil {
		return Name{}, SourceError(ref.String(), err)
	}
	return Name{Ref: ref, Descriptor: Bare(d)}, nil
}

// fits checks the platform of an image that is no index.
func (w *walker) fits(ctx context.Context, n Name) error {
	if len(w.opts.Platforms) == 0 || IsIndex(n.Descriptor.MediaType) {
		return nil
	}
	w.mu.Lock()
	m := w.manifests[n.Descriptor.Digest].Manifest
	w.mu.Unlock()
	var have *Platform
	err := w.slot(ctx, func() (err error) {
		have, err = configPlatform(ctx, w.src, n.Ref.Repository, m)
		return err
	})
	if err == nil && have != nil && !slices.ContainsFunc(w.opts.Platforms, func(want Platform) bool { return matches(want, *have) }) {
		err = fmt.Errorf("%w: none of the platforms wanted (%s); the image is for %s",
			ErrNotFound, platformList(w.opts.Platforms), PlatformString(*have))
	}
	return SourceError(n.Ref.String(), err)
}

func (w *walker) read(ctx context.Context, ref Ref) (Descriptor, []byte, error) {
	var d Descriptor
	var content []byte
	err := w.slot(ctx, func() (err error) {
		d, content, err = w.src.Manifest(ctx, ref)
		return err
	})
	return d, content, err
}

// slot runs one request when there is room for it.
func (w *walker) slot(ctx context.Context, request func() error) error {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-w.slots }()
	return request()
}

// visit notes a manifest of a repository, and reads on below and beside it.
func (w *walker) visit(ctx context.Context, repository string, d Descriptor, content []byte) error {
	w.mu.Lock()
	seen := w.visited[place{repository, d.Digest}]
	w.visited[place{repository, d.Digest}] = true
	known := w.manifests[d.Digest]
	w.mu.Unlock()
	if seen {
		return nil
	}
	if known == nil {
		var err error
		if known, err = w.parse(ctx, repository, d, content); err != nil {
			return err
		}
	}
	beside, err := w.beside(ctx, repository, d.Digest)
	if err != nil {
		return err
	}
	return each(slices.Concat(known.Manifest.Children, beside), func(c Descriptor) error {
		err := w.visit(ctx, repository, c, nil)
		if w.opts.Sparse && errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
}

func (w *walker) parse(ctx context.Context, repository string, d Descriptor, content []byte) (*Node, error) {
	if content == nil {
		var err error
		ref := Ref{Repository: repository, Digest: d.Digest}
		if d, content, err = w.read(ctx, ref); err != nil {
			return nil, SourceError(ref.String(), err)
		}
	}
	m, err := ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	if len(m.Children) > 0 {
		offered := m.Children
		if m.Children = SelectChildren(offered, w.opts.Platforms); len(m.Children) == 0 {
			return nil, fmt.Errorf("%w: none of the platforms wanted (%s); the index has %s",
				ErrNotFound, platformList(w.opts.Platforms), offeredPlatforms(offered))
		}
	}
	d.MediaType, d.Size = m.MediaType, int64(len(content))
	n := &Node{Descriptor: Bare(d), Manifest: m, Content: content}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.manifests[d.Digest] = n
	return n, nil
}

// beside finds what is tied to a manifest without being named by it.
func (w *walker) beside(ctx context.Context, repository string, d digest.Digest) ([]Descriptor, error) {
	if w.opts.NoReferrers {
		return nil, nil
	}
	var list []Descriptor
	err := w.slot(ctx, func() (err error) {
		list, err = w.src.Referrers(ctx, repository, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("referrers of %s: %w", d, err)
	}
	if w.opts.Referrer != nil {
		list = slices.DeleteFunc(slices.Clone(list), func(d Descriptor) bool { return !w.opts.Referrer(d) })
	}
	w.mu.Lock()
	w.referrers[place{repository, d}] = list
	w.mu.Unlock()
	return list, w.signatures(ctx, repository, d)
}

func (w *walker) graph(names []Name) *Graph {
	manifest := func(d digest.Digest) *Node { return w.manifests[d] }
	return BuildGraph(names, manifest, func(repository string, d digest.Digest) []Descriptor {
		return w.referrers[place{repository, d}]
	})
}

// each runs f over all of list at once, and returns the first error in order.
func each[T any](list []T, f func(T) error) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, v := range list {
		all.Go(func() { errs[i] = f(v) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func platformList(ps []Platform) string {
	var s []string
	for _, p := range ps {
		s = append(s, PlatformString(p))
	}
	return strings.Join(s, ", ")
}

func offeredPlatforms(ds []Descriptor) string {
	var ps []Platform
	for _, d := range ds {
		if d.Platform != nil && d.Platform.OS != "unknown" {
			ps = append(ps, *d.Platform)
		}
	}
	return platformList(ps)
}
