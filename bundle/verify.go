package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
)

// Verify reads every byte of an open bundle once and proves it. All damage is
// reported, joined. progress is told of each payload that was read; nil for
// silence. What is imported from the same Reader afterwards by sharing blocks is
// not read again, unless the file has changed.
func (r *Reader) Verify(ctx context.Context, progress func(bytes int64)) error {
	if r.direct == nil {
		return r.verify(ctx, progress)
	}
	return r.direct.Prove(func() error { return r.verify(ctx, progress) })
}

func (r *Reader) verify(ctx context.Context, progress func(bytes int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	all := make([]*entry, len(r.entries))
	for i := range r.entries {
		all[i] = &r.entries[i]
	}
	var mu sync.Mutex // protects damage
	var damage []error
	err := parallel.Do(ctx, runtime.GOMAXPROCS(0), all, func(ctx context.Context, e *entry) error {
		if err := r.verifyEntry(ctx, e); err != nil && ctx.Err() == nil {
			mu.Lock()
			damage = append(damage, fmt.Errorf("%s: %w", r.name, truncated(err)))
			mu.Unlock()
		}
		progress(e.size)
		return ctx.Err()
	})
	return errors.Join(append(damage, err)...)
}

func (r *Reader) verifyEntry(ctx context.Context, e *entry) error {
	if err := r.compareFrame(e); err != nil {
		return err
	}
	d := registry.Descriptor{Digest: e.digest, Size: e.size}
	return durable.Copy(ctx, io.Discard, registry.NewVerifyReader(r.section(e), d))
}
