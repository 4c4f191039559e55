package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// keepEvery is how often the store looks whether something is due.
const keepEvery = time.Minute

// Keep erases the trash and ends uploads that rest, each in its time, until ctx
// ends. A failure is logged and tried again.
func (s *Store) Keep(ctx context.Context, log *slog.Logger) {
	var loops sync.WaitGroup
	for _, do := range []func(context.Context) error{s.expireRested, s.eraseDue} {
		loops.Go(func() { regularly(ctx, log, do) })
	}
	loops.Wait()
}

// regularly does something now and then until ctx ends.
func regularly(ctx context.Context, log *slog.Logger, do func(context.Context) error) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C: // at the start, clients come first
		}
		if err := do(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, registry.ErrConflict) {
			log.Error("upkeep", "err", err)
		}
	}
}

// eraseDue erases what has been in the trash long enough.
func (s *Store) eraseDue(ctx context.Context) error {
	t, err := s.Trash(ctx)
	if err != nil || t.Blobs+t.Manifests == 0 || time.Now().Before(t.Next) || !s.upkeep.TryLock() {
		return err
	}
	defer s.upkeep.Unlock()
	_, err = s.erase(ctx, s.options.TrashAge)
	return err
}
