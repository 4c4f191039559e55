package bundle

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

var errLoose = fmt.Errorf("%w: the bundle has no names, only what another one wants: land it before that one", registry.ErrInvalid)

var _ Base = (*Reader)(nil)

// ManifestOf implements Base.
func (r *Reader) ManifestOf(_ context.Context, d digest.Digest) (registry.Descriptor, []byte, error) {
	m := r.byHash[d]
	if m == nil {
		return registry.Descriptor{}, nil, fmt.Errorf("%s: manifest %s: %w", r.name, d, registry.ErrNotFound)
	}
	content, err := r.content(m.descriptor())
	if err != nil {
		err = fmt.Errorf("%s: %w", r.name, err)
	}
	return m.descriptor(), content, err
}

// ReferrersOf implements Base.
func (r *Reader) ReferrersOf(_ context.Context, d digest.Digest) (list []registry.Descriptor, err error) {
	for _, m := range r.header.Manifests {
		if m.Subject == d {
			list = append(list, m.descriptor())
		}
	}
	slices.SortFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return list, nil
}

// MissingBlobs implements Base.
func (r *Reader) MissingBlobs(_ context.Context, blobs []registry.Descriptor) (missing []registry.Descriptor, err error) {
	for _, d := range blobs {
		if e := r.places[d.Digest]; e == nil || e.size != d.Size {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

// BlobBytes implements Base.
func (r *Reader) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	e := r.places[d]
	if e == nil {
		return nil, fmt.Errorf("%s: blob %s: %w", r.name, d, registry.ErrNotFound)
	}
	return r.Blob(ctx, "", registry.Descriptor{Digest: d, Size: e.size})
}

// Has reports whether a bundle carries content, for another that is to do
// without it.
func (h *Header) Has() func(digest.Digest) bool {
	have := h.carried()
	return func(d digest.Digest) bool { return have[d] }
}
