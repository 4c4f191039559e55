package ondemand

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// source is a registry.Reader over an upstream's repository, without the children of
// indexes that nobody asked for.
type source struct {
	upstream *Upstream
	place    *place
	hidden   map[digest.Digest]bool
}

// Resolve implements registry.Reader.
func (s *source) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	d, _, err := s.Manifest(ctx, ref)
	return d, err
}

// Manifest implements registry.Reader.
func (s *source) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if s.hidden[ref.Digest] {
		return registry.Descriptor{}, nil, fmt.Errorf("%s: %w: nobody asked for it", ref, registry.ErrNotFound)
	}
	if ref.Digest != "" {
		if k := s.upstream.memory.get(s.place.at(ref.Digest.String())); k != nil {
			return k.descriptor, k.content, nil
		}
	}
	if err := s.upstream.window(s.place); err != nil {
		return registry.Descriptor{}, nil, err
	}
	d, content, err := s.place.remote.Manifest(ctx, ref)
	return d, content, s.upstream.report(s.place, err)
}

// Blob implements registry.Reader.
func (s *source) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	if err := s.upstream.window(s.place); err != nil {
		return nil, err
	}
	return s.place.remote.Blob(ctx, repository, d)
}

// Referrers implements registry.Reader.
func (s *source) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	if err := s.upstream.window(s.place); err != nil {
		return nil, err
	}
	list, err := s.place.remote.Referrers(ctx, repository, subject)
	return list, s.upstream.report(s.place, err)
}
