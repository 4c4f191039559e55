package source

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// writer is a target by original names. It remembers which repository has which blob, so
// that what one image has brought is mounted for the next.
type writer struct {
	target *Target
	moved  atomic.Int64 // bytes of blobs that were put

	mu sync.Mutex               // protects at
	at map[digest.Digest]string // a repository, by original name, that has the blob
}

var (
	_ registry.Writer  = (*writer)(nil)
	_ registry.Mounter = (*writer)(nil)
)

func (w *writer) note(d digest.Digest, repository string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[d] = repository
}

func (w *writer) known(d digest.Digest) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[d]
}

// Exists implements registry.Writer.
func (w *writer) Exists(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	ok, err := w.target.remote.Exists(ctx, w.target.spec.Repository(repository), d)
	if ok && !registry.IsManifest(d.MediaType) {
		w.note(d.Digest, repository)
	}
	return ok, err
}

// PutBlob implements registry.Writer.
func (w *writer) PutBlob(ctx context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	err := w.target.remote.PutBlob(ctx, w.target.spec.Repository(repository), d, r)
	if err == nil {
		w.moved.Add(d.Size)
		w.note(d.Digest, repository)
	}
	return err
}

// Mount implements registry.Mounter.
func (w *writer) Mount(ctx context.Context, repository, from string, d registry.Descriptor) (bool, error) {
	if from == "" {
		from = w.known(d.Digest)
	}
	if from == "" || from == repository {
		return false, nil
	}
	mounted, err := w.target.remote.Mount(ctx, w.target.spec.Repository(repository), w.target.spec.Repository(from), d)
	if mounted {
		w.note(d.Digest, repository)
	}
	return mounted, err
}

// PutManifest implements registry.Writer. A tag that stands for the manifest already is
// left alone, since rules for immutable tags refuse that, too.
func (w *writer) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	ref.Repository = w.target.spec.Repository(ref.Repository)
	if ref.Tag != "" {
		have, err := w.target.remote.Resolve(ctx, registry.Ref{Repository: ref.Repository, Tag: ref.Tag})
		if err == nil && have.Digest == d.Digest {
			return nil
		}
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return w.target.remote.PutManifest(ctx, ref, d, content)
}
