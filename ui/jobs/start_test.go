package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// A key starts one job, however often and however much at once it is sent.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	opts := jobs.StartOptions{IdempotencyKey: "k1"}
	var starting sync.WaitGroup
	var joined atomic.Int32
	found := make([]string, 16)
	for k := range found {
		starting.Go(func() {
			j, err := s.Start(s.as("ann"), "act", act{"a"}, opts)
			if err != nil {
				t.Error(err)
			}
			if found[k] = j.ID; j.Joined {
				joined.Add(1)
			}
		})
	}
	starting.Wait()
	slices.Sort(found)
	if len(slices.Compact(found)) != 1 || joined.Load() != 15 {
		t.Errorf("jobs %q, %d joined", found, joined.Load())
	}
	first := s.must(s.Get(t.Context(), found[0]))
	for what, start := range map[string]func() (jobs.Job, error){
		"other arguments": func() (jobs.Job, error) { return s.Start(s.as("ann"), "act", act{"b"}, opts) },
		"another subject": func() (jobs.Job, error) {
			return s.Start(s.as("ann"), "act", act{"a"}, jobs.StartOptions{IdempotencyKey: "k1", Subject: "s"})
		},
	} {
		if _, err := start(); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), `"k1"`) {
			t.Errorf("%s: %v, want a conflict that names the key", what, err)
		}
	}
	robot := audit.WithActor(t.Context(), audit.Actor{Name: "ann", Kind: "robot"})
	for _, ctx := range []context.Context{s.as("bob"), robot} {
		if j := s.must(s.Start(ctx, "act", act{"a"}, opts)); j.ID == first.ID || j.Joined {
			t.Errorf("%+v: somebody else's key", j)
		}
	}
	j, there, err := s.Keyed(s.as("ann"), "act", act{"a"}, opts)
	if err != nil || !there || j.ID != first.ID {
		t.Errorf("%+v, %v, %v: want the job of the key", j, there, err)
	}
	for _, o := range []jobs.StartOptions{{}, {IdempotencyKey: "k2"}} {
		if j, there, err := s.Keyed(s.as("ann"), "act", act{"a"}, o); there || err != nil {
			t.Errorf("%+v, %v, %v: want no job", j, there, err)
		}
	}
	if _, _, err := s.Keyed(s.as("ann"), "act", act{"b"}, opts); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
	s.keep()
	s.ended(first.ID)
	if j := s.must(s.Start(s.as("ann"), "act", act{"a"}, opts)); j.ID != first.ID || j.State != jobs.Done || !j.Joined {
		t.Errorf("%+v: want the job that is done", j)
	}
	if got := s.audited(first.ID); len(got) != 2 {
		t.Errorf("audited %q", got)
	}
}

// What must not be done twice at once is not, and the key of who joined leads to
// the job that was joined.
func TestExclusive(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	var starting sync.WaitGroup
	var started, refused atomic.Int32
	for range 16 {
		starting.Go(func() {
			switch _, err := s.Start(t.Context(), "act", nil, jobs.StartOptions{Exclusive: "x"}); {
			case err == nil:
				started.Add(1)
			case errors.Is(err, registry.ErrConflict):
				refused.Add(1)
			}
		})
	}
	starting.Wait()
	if started.Load() != 1 || refused.Load() != 15 {
		t.Errorf("%d started, %d refused", started.Load(), refused.Load())
	}
	opts := jobs.StartOptions{Exclusive: "x", Join: true, IdempotencyKey: "k"}
	joined := s.start("act", act{"other"}, opts)
	s.keep()
	if j := s.ended(joined.ID); !joined.Joined || string(j.Args) == `{"do":"other"}` {
		t.Errorf("joined %+v, which is %+v", joined, j)
	}
	if j := s.start("act", act{"other"}, opts); j.ID != joined.ID {
		t.Errorf("the key of who joined leads to %+v", j)
	}
	// One that ended does not go on while another one does the same.
	if s.start("act", act{"block"}, jobs.StartOptions{Exclusive: "x"}).ID == joined.ID {
		t.Error("the same job once more")
	}
	failed := s.ended(s.start("act", act{"fail"}, jobs.StartOptions{Exclusive: "y"}).ID)
	s.start("act", act{"block"}, jobs.StartOptions{Exclusive: "y"})
	if _, err := s.Retry(t.Context(), failed.ID); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
}

// No queue grows without bound.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{Queue: 3})
	for range 3 {
		s.do("")
	}
	if _, err := s.Start(t.Context(), "act", nil, jobs.StartOptions{}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
}

// So many jobs of a lane run at once as it is wide, the oldest first, and other
// lanes do not wait for them.
func TestLanes(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	var inside atomic.Int32
	pair := make(chan struct{}) // a job of the lane goes on when another one does
	meet := func(context.Context, *jobs.Run) (any, error) {
		if n := inside.Add(1); n > 2 {
			t.Errorf("%d jobs in a lane for 2", n)
		}
		defer inside.Add(-1)
		select {
		case pair <- struct{}{}:
		case <-pair:
		}
		return nil, nil
	}
	s.Register(jobs.Kind{Name: "one", Lane: "wide", Width: 2, Run: meet})
	s.Register(jobs.Kind{Name: "other", Lane: "wide", Width: 2, Run: meet})
	order := make(chan string, 10)
	s.Register(jobs.Kind{Name: "narrow", Run: func(_ context.Context, r *jobs.Run) (any, error) {
		order <- r.ID()
		return nil, nil
	}})
	var wide, narrow []string
	for k := range 8 {
		wide = append(wide, s.start([]string{"one", "other"}[k%2], nil, jobs.StartOptions{}).ID)
	}
	for range 5 {
		narrow = append(narrow, s.start("narrow", nil, jobs.StartOptions{}).ID)
	}
	s.keep()
	for _, id := range append(wide, narrow...) {
		if j := s.ended(id); j.State != jobs.Done {
			t.Errorf("%+v", j)
		}
	}
	for k, want := range narrow {
		if got := <-order; got != want {
			t.Errorf("job %s in place %d, want %s", got, k, want)
		}
	}
}

// Kinds that do not go together are a mistake that shows at once.
func TestRegister(t *testing.T) {
	t.Parallel()
	for what, kinds := range map[string][]jobs.Kind{
		"twice":  {{Name: "a"}, {Name: "a"}},
		"widths": {{Name: "a", Lane: "l", Width: 2}, {Name: "b", Lane: "l"}},
	} {
		s := newSite(t, jobs.Options{})
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			for _, k := range kinds {
				s.Register(k)
			}
		}()
	}
}

// Many clients do everything at once; nothing is lost, done twice, or left behind.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	stop := s.keep()
	var acting sync.WaitGroup
	for k := range 6 {
		acting.Go(func() {
			for n := range 8 {
				what := []string{"", "fail", "wait", "block", "finish", "panic"}[(k+n)%6]
				j, err := s.Start(s.as(fmt.Sprint(k)), "act", act{what}, jobs.StartOptions{IdempotencyKey: fmt.Sprint(n), Subject: what})
				if err != nil {
					t.Error(err)
					return
				}
				// Whether these come in time does not matter.
				_, _ = s.Retry(t.Context(), j.ID)
				_ = s.Wake(t.Context(), "a drive")
				_, _ = s.Cancel(t.Context(), j.ID)
				_, _ = s.Retry(t.Context(), j.ID)
				_, _ = s.Cancel(t.Context(), j.ID)
				if _, err := s.Await(t.Context(), j.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	acting.Wait()
	stop()
	if n := query[int](s, `SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'waiting') OR ended_at IS NULL OR lease_owner <> ''`); n > 0 {
		t.Errorf("%d jobs have not ended", n)
	}
	if n := query[int](s, `SELECT count(*) FROM jobs`); n != 48 {
		t.Errorf("%d jobs, want 48", n)
	}
	if v, err := s.audit.Verify(t.Context()); err != nil {
		t.Errorf("%+v, %v", v, err)
	}
}
