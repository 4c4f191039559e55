package registry

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
)

// Routed is a Reader that reads some repositories elsewhere.
type Routed struct {
	Reader                   // of all others
	Of     map[string]Reader // by repository
}

var _ Reader = (*Routed)(nil)

func (r *Routed) of(repository string) Reader {
	if special := r.Of[repository]; special != nil {
		return special
	}
	return r.Reader
}

// Resolve implements Reader.
func (r *Routed) Resolve(ctx context.Context, ref Ref) (Descriptor, error) {
	return r.of(ref.Repository).Resolve(ctx, ref)
}

// Manifest implements Reader.
func (r *Routed) Manifest(ctx context.Context, ref Ref) (Descriptor, []byte, error) {
	return r.of(ref.Repository).Manifest(ctx, ref)
}

// Blob implements Reader.
func (r *Routed) Blob(ctx context.Context, repository string, d Descriptor) (io.ReadCloser, error) {
	return r.of(repository).Blob(ctx, repository, d)
}

// Referrers implements Reader.
func (r *Routed) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]Descriptor, error) {
	return r.of(repository).Referrers(ctx, repository, subject)
}
