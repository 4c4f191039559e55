package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// KeepOptions of a store that keeps itself in order.
type KeepOptions struct {
	// ScrubRate is how many bytes per second the background scrub reads at
	// most; 0: there is none.
	ScrubRate int64
	// ScrubEvery is the time from the end of a pass to the next; a week when 0.
	ScrubEvery time.Duration
	// CollectEvery is the time between collections, each after the policy was
	// applied; 0: only on demand.
	CollectEvery time.Duration
	Log          *slog.Logger
}

// keepEvery is how often the store looks whether something is due.
const keepEvery = time.Minute

// Keep scrubs, collects, erases the trash and ends uploads that rest, each in
// its time, until ctx ends. A failure is logged and tried again.
func (s *Store) Keep(ctx context.Context, opts KeepOptions) {
	if opts.ScrubEvery == 0 {
		opts.ScrubEvery = 7 * 24 * time.Hour
	}
	collected := time.Now()
	var loops sync.WaitGroup
	for _, do := range []func(context.Context) error{
		s.expireRested,
		s.eraseDue,
		func(ctx context.Context) error { return s.collectDue(ctx, opts, &collected) },
		func(ctx context.Context) error { return s.scrubDue(ctx, opts) }, // for days, if it has to
	} {
		loops.Go(func() { regularly(ctx, opts.Log, do) })
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

func (s *Store) collectDue(ctx context.Context, opts KeepOptions, last *time.Time) error {
	if opts.CollectEvery == 0 || time.Since(*last) < opts.CollectEvery {
		return nil
	}
	*last = time.Now()
	retained, err := s.Retain(ctx, RetainOptions{})
	if err != nil {
		return err
	}
	report, err := s.Collect(ctx, CollectOptions{})
	if err == nil {
		opts.Log.Info("collected", "tags", retained.Removed, "manifests", report.Manifests, "blobs", report.Blobs, "bytes", report.Bytes, "erased_bytes", report.Erased.Bytes)
	}
	return err
}

// scrubDue goes on with a pass, or begins one when the last is old enough.
func (s *Store) scrubDue(ctx context.Context, opts KeepOptions) error {
	if opts.ScrubRate <= 0 || s.scrubbing.get().Running { // it would take the operator's place
		return nil
	}
	var p pass
	if _, err := s.document(ctx, scrubDocument, &p); err != nil {
		return err
	}
	if !p.Finished.IsZero() && time.Since(p.Finished) < opts.ScrubEvery {
		return nil
	}
	report, err := s.Scrub(ctx, ScrubOptions{Rate: opts.ScrubRate, Found: func(d Damage) {
		opts.Log.Error("damaged content", "digest", d.Digest, "cause", d.Cause, "breaks", d.Breaks)
	}})
	if err == nil {
		opts.Log.Info("scrubbed", "blobs", report.Blobs, "bytes", report.Bytes, "damaged", len(report.Damaged))
	}
	return err
}
