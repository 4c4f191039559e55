package jobs_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// A job from its start to its end: three durable transactions, audited.
func BenchmarkJob(b *testing.B) {
	s := newSite(b, jobs.Options{})
	s.keep()
	for b.Loop() {
		s.ended(s.do("").ID)
	}
}

// A cursor that is noted durably.
func BenchmarkCursor(b *testing.B) {
	s := newSite(b, jobs.Options{})
	s.Register(jobs.Kind{Name: "cursor", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		for n := 0; b.Loop(); n++ {
			if err := r.SetCursor(ctx, n); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}})
	s.keep()
	s.ended(s.start("cursor", nil, jobs.StartOptions{}).ID)
}

// How far a job is, as its code reports it.
func BenchmarkReport(b *testing.B) {
	s := newSite(b, jobs.Options{})
	s.Register(jobs.Kind{Name: "report", Run: func(_ context.Context, r *jobs.Run) (any, error) {
		for n := int64(0); b.Loop(); n++ {
			r.Report(jobs.Progress{Phase: "copying", Bytes: n, TotalBytes: 1 << 40})
		}
		return nil, nil
	}})
	s.keep()
	s.ended(s.start("report", nil, jobs.StartOptions{}).ID)
}

// A line with data that a job tells, of the hundred thousand that some do.
func BenchmarkLog(b *testing.B) {
	s := newSite(b, jobs.Options{})
	s.Register(jobs.Kind{Name: "log", Run: func(_ context.Context, r *jobs.Run) (any, error) {
		for b.Loop() {
			r.Log(slog.LevelInfo, "a line", map[string]int{"n": 1})
		}
		return nil, nil
	}})
	s.keep()
	s.ended(s.start("log", nil, jobs.StartOptions{}).ID)
}
