// Package chores does the work on a store as jobs: proving its bytes, taking out
// what nothing keeps, making a bundle. When scrubs and collections are due by
// themselves is decided here, too; what they do is the store's and the bundle's.
package chores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// The kinds of jobs.
const (
	Scrub   = "scrub"
	Collect = "collect"
	Export  = "export"
)

// ScrubArgs are what a scrub is asked for.
type ScrubArgs struct {
	Fresh bool  `json:"fresh,omitempty" doc:"Begin anew instead of going on where the last one stopped"`
	Rate  int64 `json:"rate,omitempty" minimum:"0" doc:"Bytes per second at most; 0: as fast as it goes"`
	// Yields: it is the appliance's own, and makes way for one that somebody wants.
	Yields bool `json:"yields,omitempty" doc:"It ends well when another scrub takes over"`
}

// CollectArgs are what a collection is asked for.
type CollectArgs struct {
	Now    bool `json:"now,omitempty" doc:"Erase at once, also what is in the trash: there is no undo"`
	Retain bool `json:"retain,omitempty" doc:"Apply the retention policy before"`
}

// Collected is what a collection did.
type Collected struct {
	*store.Collected
	Retained *store.Retained `json:"retained,omitempty"`
}

// Register adds the kinds of jobs that work on a store. Bundles that are made go
// into a folder.
func Register(p *jobs.Pool, s *store.Store, exports string) {
	p.Register(jobs.Kind{Name: Scrub, Lane: Scrub, Width: 2, Run: func(ctx context.Context, r *jobs.Run) (any, error) { return scrub(ctx, s, r) }})
	p.Register(jobs.Kind{Name: Collect, Lane: Collect, Width: 1, Run: func(ctx context.Context, r *jobs.Run) (any, error) { return collect(ctx, s, r) }})
	p.Register(jobs.Kind{Name: Export, Lane: Export, Width: 1, Run: func(ctx context.Context, r *jobs.Run) (any, error) { return export(ctx, s, exports, r) }})
}

// reportEvery is the time between two looks at how far a scrub is.
const reportEvery = 500 * time.Millisecond

func scrub(ctx context.Context, s *store.Store, r *jobs.Run) (any, error) {
	var args ScrubArgs
	if err := r.Args(&args); err != nil {
		return nil, err
	}
	var again bool // a fresh one that was interrupted goes on
	if _, err := r.Cursor(&again); err != nil {
		return nil, err
	}
	if err := r.SetCursor(ctx, true); err != nil {
		return nil, err
	}
	at, err := s.Stats(ctx)
	if err == nil {
		err = further(ctx, r, fmt.Sprintf("begun after %d blobs", at.Scrub.Blobs))
	}
	if err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(watching, s, r)
	}()
	report, err := s.Scrub(ctx, store.ScrubOptions{Fresh: args.Fresh && !again, Rate: args.Rate, Found: func(d store.Damage) {
		r.Log(slog.LevelError, "damaged: "+d.Digest.String()+": "+d.Cause, d)
	}})
	stop()
	<-watched
	if args.Yields && errors.Is(err, registry.ErrConflict) {
		r.Log(slog.LevelInfo, "another scrub goes on from here", nil)
		return nil, nil
	}
	if err == nil {
		r.Report(jobs.Progress{Phase: "reading", Bytes: report.Bytes, TotalBytes: report.Bytes, Items: report.Blobs})
	}
	return report, err
}

// further notes where an attempt begins. When that is another place than before, the
// job got further, and is begun again however often the appliance ended.
func further(ctx context.Context, r *jobs.Run, where string) error {
	return r.Step(ctx, where, func(context.Context) error { return nil })
}

// watch tells how far a scrub is.
func watch(ctx context.Context, s *store.Store, r *jobs.Run) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		if at, err := s.Stats(ctx); err == nil {
			r.Report(jobs.Progress{Phase: "reading", Bytes: at.Scrub.Bytes, TotalBytes: at.Scrub.TotalBytes, Items: at.Scrub.Blobs})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func collect(ctx context.Context, s *store.Store, r *jobs.Run) (any, error) {
	var args CollectArgs
	if err := r.Args(&args); err != nil {
		return nil, err
	}
	var done Collected
	var err error
	if args.Retain {
		r.Report(jobs.Progress{Phase: "retaining"})
		if done.Retained, err = s.Retain(ctx, store.RetainOptions{}); err != nil {
			return nil, err
		}
	}
	r.Report(jobs.Progress{Phase: "collecting"})
	done.Collected, err = s.Collect(ctx, store.CollectOptions{Now: args.Now})
	if err != nil {
		return nil, err
	}
	return done, nil
}
