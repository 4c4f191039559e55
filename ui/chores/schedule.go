package chores

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Schedule is when chores begin by themselves.
type Schedule struct {
	// ScrubRate is how many bytes per second the background scrub reads at
	// most; 0: there is none.
	ScrubRate int64
	// ScrubEvery is the time from the end of a pass to the next; a week when 0.
	ScrubEvery time.Duration
	// CollectEvery is the time between collections, each after the policy was
	// applied; 0: only on demand.
	CollectEvery time.Duration
	Log          *slog.Logger // nil for silence
}

// lookEvery is how often it is looked whether something is due.
const lookEvery = time.Minute

// Keep starts what is due until ctx ends. At the start, clients come first.
func Keep(ctx context.Context, p *jobs.Pool, s *store.Store, when Schedule) {
	if when.ScrubEvery == 0 {
		when.ScrubEvery = 7 * 24 * time.Hour
	}
	if when.Log == nil {
		when.Log = slog.New(slog.DiscardHandler)
	}
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := errors.Join(scrubDue(ctx, p, s, when), collectDue(ctx, p, began, when))
		if err != nil && ctx.Err() == nil && !errors.Is(err, registry.ErrConflict) {
			when.Log.Error("upkeep does not begin", "error", err)
		}
	}
}

// scrubDue goes on with a pass, or begins one when the last is old enough.
func scrubDue(ctx context.Context, p *jobs.Pool, s *store.Store, when Schedule) error {
	if when.ScrubRate <= 0 {
		return nil
	}
	live, err := p.List(ctx, jobs.Filter{Kind: Scrub, Live: true, Limit: 1})
	if err != nil || len(live) > 0 { // it would take the operator's place
		return err
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return err
	}
	if at := stats.Scrub; !at.Finished.IsZero() && time.Since(at.Finished) < when.ScrubEvery {
		return nil
	}
	_, err = p.Start(ctx, Scrub, ScrubArgs{Rate: when.ScrubRate, Yields: true}, jobs.StartOptions{Subject: "background"})
	return err
}

func collectDue(ctx context.Context, p *jobs.Pool, began time.Time, when Schedule) error {
	if when.CollectEvery <= 0 || time.Since(began) < min(when.CollectEvery, lookEvery) {
		return nil
	}
	last, err := p.List(ctx, jobs.Filter{Kind: Collect, Limit: 1})
	if err != nil {
		return err
	}
	if len(last) > 0 && (!last[0].State.Ended() || time.Since(last[0].Created) < when.CollectEvery) {
		return nil
	}
	_, err = p.Start(ctx, Collect, CollectArgs{Retain: true}, jobs.StartOptions{Subject: "background"})
	return err
}
