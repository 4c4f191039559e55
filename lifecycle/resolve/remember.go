package resolve

import (
	"context"
	"sync"

	"github.com/landfall-dev/landfall/registry"
)

// remembering asks a registry for each manifest once: registries count how often they
// are asked, and a tag that moves meanwhile stands for one thing in a definition.
type remembering struct {
	registry.Reader

	mu    sync.Mutex // protects known
	known map[registry.Ref]remembered
}

type remembered struct {
	descriptor registry.Descriptor
	content    []byte
}

// Manifest implements registry.Reader. What fails is asked for again.
func (r *remembering) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if ref.Digest != "" {
		ref.Tag = "" // the digest decides
	}
	r.mu.Lock()
	m, known := r.known[ref]
	r.mu.Unlock()
	if known {
		return m.descriptor, m.content, nil
	}
	d, content, err := r.Reader.Manifest(ctx, ref)
	if err != nil {
		return d, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[ref] = remembered{d, content}
	r.known[registry.Ref{Repository: ref.Repository, Digest: d.Digest}] = remembered{d, content}
	return d, content, nil
}
