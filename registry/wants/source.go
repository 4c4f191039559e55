package wants

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Source is where the content of a list is read from, for Find and for the copy after
// it: the definition's own repository from its artifact, everything else from src.
// artifact is nil when the definition is not at hand; what is wanted of it is then
// ErrNotFound, and nobody is asked. Errors say for which item something was wanted.
func (w *Wants) Source(src, artifact registry.Reader) registry.Reader {
	s := &source{list: w, src: src, artifact: artifact, wanted: map[digest.Digest]*Want{}}
	for i := range w.Wants {
		s.wanted[w.Wants[i].Digest] = &w.Wants[i]
	}
	return s
}

// route makes sure that nobody is asked for the definition's own repository who was not
// said to have it.
func (w *Wants) route(src registry.Reader) registry.Reader {
	switch r := src.(type) {
	case *source:
		return r
	case *registry.Routed:
		if w.WantsArtifact() {
			return w.Source(r, r.Of[w.Definition.Repository])
		}
	}
	return w.Source(src, nil)
}

// WantsArtifact reports whether charts, manifests or files of the definition are
// wanted: they are in its own artifact, and in no registry.
func (w *Wants) WantsArtifact() bool { return w.Definition != nil && w.Definition.Repository != "" }

type source struct {
	list     *Wants
	src      registry.Reader
	artifact registry.Reader // may be nil
	wanted   map[digest.Digest]*Want
}

// of is where a repository is read.
func (s *source) of(repository string) (registry.Reader, error) {
	if !s.list.WantsArtifact() || repository != s.list.Definition.Repository {
		return s.src, nil
	}
	if s.artifact == nil {
		d := s.list.Definition
		return nil, fmt.Errorf("%w: it is a part of definition %s %s itself: name the definition's file, too, with --definition", registry.ErrNotFound, d.Name, d.Version)
	}
	return s.artifact, nil
}

// explain says what was wanted and for what.
func (s *source) explain(ref registry.Ref, d digest.Digest, err error) error {
	if err == nil {
		return nil
	}
	if want := s.wanted[d]; want != nil && len(want.For) > 0 {
		err = fmt.Errorf("%w (wanted for %s)", err, items(want.For))
	}
	return registry.SourceError(ref.String(), err)
}

// Resolve implements registry.Reader.
func (s *source) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	r, err := s.of(ref.Repository)
	if err != nil {
		return registry.Descriptor{}, s.explain(ref, ref.Digest, err)
	}
	d, err := r.Resolve(ctx, ref)
	return d, s.explain(ref, ref.Digest, err)
}

// Manifest implements registry.Reader.
func (s *source) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	r, err := s.of(ref.Repository)
	if err != nil {
		return registry.Descriptor{}, nil, s.explain(ref, ref.Digest, err)
	}
	d, content, err := r.Manifest(ctx, ref)
	return d, content, s.explain(ref, ref.Digest, err)
}

// Blob implements registry.Reader.
func (s *source) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	r, err := s.of(repository)
	ref := registry.Ref{Repository: repository, Digest: d.Digest}
	if err != nil {
		return nil, s.explain(ref, d.Digest, err)
	}
	content, err := r.Blob(ctx, repository, d)
	return content, s.explain(ref, d.Digest, err)
}

// Referrers implements registry.Reader. A repository that is not at hand has none.
func (s *source) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	r, err := s.of(repository)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.Referrers(ctx, repository, subject)
}
