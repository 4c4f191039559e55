// Package attach serves what is not in the store yet: the content of bundles
// that are attached, from the medium that they are on. A [View] is a store with
// all that is attached to it, and reads only; what is written goes into the
// store, and is read from there as soon as it is there.
//
// Tags of a bundle count before those of the store: that is what the bundle was
// attached for. Everything that is named by its digest is read from the store
// first.
package attach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// Medium is a bundle with what it stands on.
type Medium interface {
	// Graph is the closure of all its names.
	Graph() *registry.Graph
	// Manifest returns any manifest of the graph.
	Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error)
	// OpenBlob opens the file that a blob is in, for the caller to close, and says
	// where it begins. ErrNotFound for a blob that the bundle does not carry:
	// the store has it.
	OpenBlob(d digest.Digest) (f *os.File, offset int64, err error)
}

// View is a store with what is attached to it. The zero View is not one.
type View struct {
	store *store.Store

	mu    sync.RWMutex // protects media
	media []*medium    // the last that was attached first
}

// medium is a Medium with what is looked up in it, by path.
type medium struct {
	Medium
	gone      sync.Once
	lost      func(error) // told once, when it cannot be read any more
	tags      map[occurrence]digest.Digest
	manifests map[occurrence]*registry.Node
	blobs     map[occurrence]int64 // size
	subjects  map[occurrence][]*registry.Node
	names     map[string]string // original names of repositories, by path
}

// occurrence is a tag or a digest in a repository.
type occurrence struct{ path, reference string }

// NewView makes a view of a store to which nothing is attached.
func NewView(s *store.Store) *View { return &View{store: s} }

// Attach makes a medium's names and content readable at once, until detach is
// called. lost is told, once and from any goroutine, when the medium cannot be
// read any more: then it is detached already.
func (v *View) Attach(m Medium, lost func(error)) (detach func()) {
	at := index(m)
	detach = func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.media = slices.DeleteFunc(slices.Clone(v.media), func(other *medium) bool { return other == at })
	}
	at.lost = func(err error) {
		at.gone.Do(func() {
			detach()
			lost(err)
		})
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.media = append([]*medium{at}, v.media...)
	return detach
}

func index(m Medium) *medium {
	g := m.Graph()
	at := &medium{Medium: m, tags: map[occurrence]digest.Digest{}, manifests: map[occurrence]*registry.Node{},
		blobs: map[occurrence]int64{}, subjects: map[occurrence][]*registry.Node{}, names: map[string]string{}}
	for _, n := range g.Names {
		if n.Ref.Tag != "" {
			at.tags[occurrence{registry.RepositoryPath(n.Ref.Repository), n.Ref.Tag}] = n.Descriptor.Digest
		}
	}
	for i, n := range g.Manifests {
		for _, r := range n.Repositories {
			path := registry.RepositoryPath(r)
			at.names[path] = r
			at.manifests[occurrence{path, n.Descriptor.Digest.String()}] = &g.Manifests[i]
			if s := n.Manifest.Subject; s != nil {
				key := occurrence{path, s.Digest.String()}
				at.subjects[key] = append(at.subjects[key], &g.Manifests[i])
			}
		}
	}
	for _, n := range g.Blobs {
		for _, r := range n.Repositories {
			at.blobs[occurrence{registry.RepositoryPath(r), n.Descriptor.Digest.String()}] = n.Descriptor.Size
		}
	}
	return at
}

// attached are the media as they are now.
func (v *View) attached() []*medium {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.media
}

// Resolve implements registry.Reader.
func (v *View) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	_, n := find(v.attached(), ref)
	if n != nil && ref.Digest == "" {
		return n.Descriptor, nil
	}
	d, err := v.store.Resolve(ctx, ref)
	if n != nil && errors.Is(err, registry.ErrNotFound) {
		return n.Descriptor, nil
	}
	return d, err
}

// Manifest implements registry.Reader.
func (v *View) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	m, n := find(v.attached(), ref)
	if n == nil {
		return v.store.Manifest(ctx, ref)
	}
	byDigest := registry.Ref{Repository: ref.Repository, Digest: n.Descriptor.Digest}
	d, content, err := v.store.Manifest(ctx, byDigest)
	if !errors.Is(err, registry.ErrNotFound) {
		return d, content, err
	}
	byDigest.Repository = m.names[registry.RepositoryPath(ref.Repository)]
	if d, content, err = m.Manifest(ctx, byDigest); err != nil {
		m.lost(err)
		return v.Manifest(ctx, ref) // as it is without the medium
	}
	return d, content, nil
}

// find looks for a manifest in what is attached.
func find(media []*medium, ref registry.Ref) (*medium, *registry.Node) {
	if len(media) == 0 { // as nearly always
		return nil, nil
	}
	path := registry.RepositoryPath(ref.Repository)
	for _, m := range media {
		d := cmp.Or(ref.Digest, m.tags[occurrence{path, ref.Tag}])
		if n := m.manifests[occurrence{path, d.String()}]; n != nil {
			return m, n
		}
	}
	return nil, nil
}

// Referrers implements registry.Reader.
func (v *View) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	list, err := v.store.Referrers(ctx, repository, subject)
	media := v.attached()
	if err != nil || len(media) == 0 {
		return list, err
	}
	key := occurrence{registry.RepositoryPath(repository), subject.String()}
	for _, m := range media {
		for _, n := range m.subjects[key] {
			d := n.Descriptor
			d.ArtifactType, d.Annotations = n.Manifest.ArtifactType, n.Manifest.Annotations
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return slices.CompactFunc(list, func(a, b registry.Descriptor) bool { return a.Digest == b.Digest }), nil
}

// Tags implements registry.Lister.
func (v *View) Tags(ctx context.Context, repository, after string) iter.Seq2[string, error] {
	path := registry.RepositoryPath(repository)
	var names []string
	known := false
	for _, m := range v.attached() {
		known = known || m.names[path] != ""
		for at := range m.tags {
			if at.path == path {
				names = append(names, at.reference)
			}
		}
	}
	stored := v.store.Tags(ctx, repository, after)
	if !known {
		return stored
	}
	return merge(registry.Names(names, after), unlessUnknown(stored))
}

// RepositoryPaths lists repositories by the paths under which they are served.
func (v *View) RepositoryPaths(ctx context.Context, after string) iter.Seq2[string, error] {
	var names []string
	for _, m := range v.attached() {
		for path := range m.names {
			names = append(names, path)
		}
	}
	stored := v.store.RepositoryPaths(ctx, after)
	if len(names) == 0 {
		return stored
	}
	return merge(registry.Names(names, after), stored)
}

// unlessUnknown turns ErrNotFound into nothing.
func unlessUnknown(list iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for name, err := range list {
			if errors.Is(err, registry.ErrNotFound) || !yield(name, err) {
				return
			}
		}
	}
}

// merge yields what is in either of two ascending lists, once.
func merge(a, b iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		nextA, stopA := iter.Pull2(a)
		defer stopA()
		nextB, stopB := iter.Pull2(b)
		defer stopB()
		x, errX, moreX := nextA()
		y, errY, moreY := nextB()
		for moreX || moreY {
			first := !moreY || moreX && errY == nil && x <= y
			same := moreX && moreY && errX == nil && errY == nil && x == y
			name, err := y, errY
			if first {
				name, err = x, errX
			}
			if !yield(name, err) || err != nil {
				return
			}
			if first || same {
				x, errX, moreX = nextA()
			}
			if !first || same {
				y, errY, moreY = nextB()
			}
		}
	}
}

// Blob is a blob's bytes: Size of them from Base on in File.
type Blob struct {
	File       *os.File
	Base, Size int64
	Digest     digest.Digest
	medium     *medium // nil: it is the store's
}

// StatBlob is the size of a blob.
func (v *View) StatBlob(ctx context.Context, repository string, d digest.Digest) (int64, error) {
	size, err := v.store.StatBlob(ctx, repository, d)
	if err == nil || !errors.Is(err, registry.ErrNotFound) {
		return size, err
	}
	if _, size, ok := v.findBlob(repository, d); ok {
		return size, nil
	}
	return 0, err
}

func (v *View) findBlob(repository string, d digest.Digest) (m *medium, size int64, ok bool) {
	key := occurrence{registry.RepositoryPath(repository), d.String()}
	for _, m := range v.attached() {
		if size, ok := m.blobs[key]; ok {
			return m, size, true
		}
	}
	return nil, 0, false
}

// OpenBlob opens a blob's bytes; the caller closes the file.
func (v *View) OpenBlob(ctx context.Context, repository string, d digest.Digest) (Blob, error) {
	f, size, err := v.store.OpenBlob(ctx, repository, d)
	if err == nil || !errors.Is(err, registry.ErrNotFound) {
		return Blob{f, 0, size, d, nil}, err
	}
	m, size, ok := v.findBlob(repository, d)
	if !ok {
		return Blob{}, err
	}
	f, base, openErr := m.OpenBlob(d)
	if errors.Is(openErr, registry.ErrNotFound) {
		f, err := v.store.OpenAnywhere(ctx, d, size)
		return Blob{f, 0, size, d, nil}, err
	}
	if openErr != nil {
		m.lost(openErr)
		return Blob{}, fmt.Errorf("%w: the medium that has it was removed", err)
	}
	return Blob{f, base, size, d, m}, nil
}

// Whole reports whether the bytes are still thought to be the blob's.
func (v *View) Whole(b Blob) bool { return b.medium != nil || v.store.Whole(b.Digest, b.File) }

// Suspect is told of an error with which reading a blob ended.
func (v *View) Suspect(ctx context.Context, b Blob, cause error) {
	if b.medium == nil {
		v.store.Suspect(ctx, b.Digest, b.File, cause)
		return
	}
	if _, err := b.File.ReadAt(make([]byte, 1), b.Base+b.Size-1); err != nil {
		b.medium.lost(err)
	}
}

// Bring puts a blob that a repository has by what is attached into another, or
// the same, of the store, where somebody builds on it. ErrNotFound when no medium
// has it.
func (v *View) Bring(ctx context.Context, from, to string, d digest.Digest) error {
	b, err := v.OpenBlob(ctx, from, d)
	if err != nil {
		return err
	}
	defer b.File.Close()
	descriptor := registry.Descriptor{Digest: d, Size: b.Size}
	return v.store.PutBlob(ctx, to, descriptor, io.NewSectionReader(b.File, b.Base, b.Size))
}
