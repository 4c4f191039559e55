package browse

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// reader is a Browser as a registry.Reader, for who only looks.
type reader struct{ *Browser }

var _ registry.Reader = reader{}

// Resolve implements registry.Reader.
func (r reader) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	d, _, err := r.Manifest(ctx, ref)
	return d, err
}

// Manifest implements registry.Reader.
func (r reader) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	f, err := r.find(ctx, ref)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	if f.Damaged != "" {
		return registry.Descriptor{}, nil, fmt.Errorf("%s is damaged (%s): %w", ref, f.Damaged, registry.ErrNotFound)
	}
	return registry.Bare(f.Descriptor), f.Content, nil
}

// Blob implements registry.Reader, for small blobs.
func (r reader) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	content, err := r.Browser.Blob(ctx, repository, d.Digest, maxConfig)
	return io.NopCloser(bytes.NewReader(content)), err
}

// Referrers implements registry.Reader.
func (r reader) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	return r.listReferrers(ctx, repository, subject)
}
