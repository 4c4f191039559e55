package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// origin is where images come from: registries, or one chart repository.
type origin interface {
	registry.Reader
	registry.Ranger
	Tags(ctx context.Context, repository, after string) iter.Seq2[string, error]
}

// maxRemembered bounds the manifests that are kept in memory, in bytes; what is
// beyond is read again when it is copied.
const maxRemembered = 32 << 20

// source is an origin that asks for nothing twice, and for little at once.
type source struct {
	origin
	slots chan struct{} // one for each request under way

	mu         sync.Mutex // protects the fields below
	tags       map[string]*listing
	manifests  map[digest.Digest]remembered
	remembered int
}

// listing is the one look at a repository's tags.
type listing struct {
	once sync.Once
	tags []string // ascending
	err  error
}

type remembered struct {
	descriptor registry.Descriptor
	content    []byte
}

func newSource(o origin) *source {
	return &source{origin: o, slots: make(chan struct{}, requests), tags: map[string]*listing{}, manifests: map[digest.Digest]remembered{}}
}

// slot runs one request when there is room for it.
func (s *source) slot(ctx context.Context, request func() error) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	return request()
}

// Resolve implements registry.Reader.
func (s *source) Resolve(ctx context.Context, ref registry.Ref) (d registry.Descriptor, err error) {
	err = s.slot(ctx, func() (err error) {
		d, err = s.origin.Resolve(ctx, ref)
		return err
	})
	return d, err
}

// Manifest implements registry.Reader; a digest means the same everywhere.
func (s *source) Manifest(ctx context.Context, ref registry.Ref) (d registry.Descriptor, content []byte, err error) {
	if ref.Digest != "" {
		s.mu.Lock()
		m, ok := s.manifests[ref.Digest]
		s.mu.Unlock()
		if ok {
			return m.descriptor, m.content, nil
		}
	}
	err = s.slot(ctx, func() (err error) {
		d, content, err = s.origin.Manifest(ctx, ref)
		return err
	})
	if err == nil {
		s.remember(d, content)
	}
	return d, content, err
}

func (s *source) remember(d registry.Descriptor, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.manifests[d.Digest]; known || s.remembered+len(content) > maxRemembered {
		return
	}
	s.manifests[d.Digest] = remembered{d, content}
	s.remembered += len(content)
}

// keeps reports whether a manifest's bytes are in memory.
func (s *source) keeps(d digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.manifests[d]
	return ok
}

// Referrers implements registry.Reader.
func (s *source) Referrers(ctx context.Context, repository string, subject digest.Digest) (list []registry.Descriptor, err error) {
	err = s.slot(ctx, func() (err error) {
		list, err = s.origin.Referrers(ctx, repository, subject)
		return err
	})
	return list, err
}

// Blob implements registry.Reader.
func (s *source) Blob(ctx context.Context, repository string, d registry.Descriptor) (r io.ReadCloser, err error) {
	err = s.slot(ctx, func() (err error) {
		r, err = s.origin.Blob(ctx, repository, d)
		return err
	})
	return r, err
}

// Tags implements registry.Lister. Each walk asks, so that nothing is copied.
func (s *source) Tags(ctx context.Context, repository, after string) iter.Seq2[string, error] {
	tags, err := s.list(ctx, repository)
	if err != nil {
		return registry.NoNames(err)
	}
	at, found := slices.BinarySearch(tags, after)
	if found {
		at++
	}
	return func(yield func(string, error) bool) {
		for _, tag := range tags[at:] {
			if !yield(tag, nil) {
				return
			}
		}
	}
}

// Repositories makes a source a registry.Lister, which a walk asks for tags only.
func (s *source) Repositories(context.Context, string) iter.Seq2[string, error] {
	return registry.NoNames(fmt.Errorf("list repositories: %w", errors.ErrUnsupported))
}

func (s *source) list(ctx context.Context, repository string) ([]string, error) {
	s.mu.Lock()
	l := s.tags[repository]
	if l == nil {
		l = &listing{}
		s.tags[repository] = l
	}
	s.mu.Unlock()
	l.once.Do(func() {
		l.err = s.slot(ctx, func() error {
			for tag, err := range s.origin.Tags(ctx, repository, "") {
				if err != nil {
					return err
				}
				l.tags = append(l.tags, tag)
			}
			return nil
		})
	})
	return l.tags, l.err
}

// from opens a blob from an offset on; nothing is proven.
func (s *source) from(ctx context.Context, repository string, d registry.Descriptor) func(int64) (io.ReadCloser, error) {
	return func(offset int64) (io.ReadCloser, error) { return s.BlobFrom(ctx, repository, d, offset) }
}
