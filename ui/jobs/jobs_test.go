package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// A job runs with its arguments and as its owner, and what it did is kept, told
// and audited.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.Register(jobs.Kind{Name: "greet", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		var name string
		if err := r.Args(&name); err != nil {
			return nil, err
		}
		actor := audit.ActorOf(ctx)
		for _, step := range []string{"stand up", "wave"} {
			if err := r.Step(ctx, step, func(context.Context) error { return nil }); err != nil {
				return nil, err
			}
		}
		r.Report(jobs.Progress{Phase: "greeted", Items: 1, TotalItems: 1})
		return fmt.Sprintf("%s %s %d: hello %s", actor.Name, actor.Via, r.Attempt(), name), nil
	}})
	j := s.start("greet", "bob", jobs.StartOptions{Subject: "bob"})
	if j.State != jobs.Queued || j.Owner != "ann" || j.OwnerKind != "user" || j.Attempt != 0 || j.Created.IsZero() {
		t.Errorf("%+v", j)
	}
	stop := s.keep()
	j = s.ended(j.ID)
	stop()
	var result string
	if err := jobs.Decode(j.Result, &result); err != nil || result != "ann job:greet 1: hello bob" {
		t.Errorf("%q, %v", result, err)
	}
	if j.State != jobs.Done || j.Err() != nil || j.Attempt != 1 || j.Subject != "bob" || string(j.Args) != `"bob"` {
		t.Errorf("%+v", j)
	}
	if len(j.Steps) != 2 || j.Steps[0].Name != "stand up" || j.Steps[1].Name != "wave" || j.Steps[1].Ended.IsZero() {
		t.Errorf("steps %+v", j.Steps)
	}
	if want := (jobs.Progress{Phase: "greeted", Items: 1, TotalItems: 1}); j.Progress != want {
		t.Errorf("progress %+v", j.Progress)
	}
	if j.Started.Before(j.Created) || j.Ended.Before(j.Started) || j.Heartbeat.IsZero() {
		t.Errorf("created %s, started %s, ended %s", j.Created, j.Started, j.Ended)
	}
	if got := s.states(j.ID); !slices.Equal(got, []jobs.State{jobs.Queued, jobs.Running, jobs.Done}) {
		t.Errorf("told %q", got)
	}
	if got := s.audited(j.ID); !slices.Equal(got, []string{"ann session job.start ok", "ann job:greet job.end ok"}) {
		t.Errorf("audited %q", got)
	}
}

// Every operation on a job in every state.
func TestStates(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.Register(jobs.Kind{Name: "late", Run: perform})
	stop := s.keep()
	s.reaches(s.start("late", act{"block"}, jobs.StartOptions{}).ID, jobs.Running) // others of its lane stay queued
	into := map[jobs.State]func(jobs.StartOptions) jobs.Job{
		jobs.Queued: func(o jobs.StartOptions) jobs.Job { return s.start("late", act{""}, o) },
		jobs.Running: func(o jobs.StartOptions) jobs.Job {
			return s.reaches(s.start("act", act{"block"}, o).ID, jobs.Running)
		},
		jobs.Waiting: func(o jobs.StartOptions) jobs.Job {
			return s.reaches(s.start("act", act{"wait"}, o).ID, jobs.Waiting)
		},
		jobs.Done:   func(o jobs.StartOptions) jobs.Job { return s.ended(s.start("act", act{""}, o).ID) },
		jobs.Failed: func(o jobs.StartOptions) jobs.Job { return s.ended(s.start("act", act{"fail"}, o).ID) },
		jobs.Cancelled: func(o jobs.StartOptions) jobs.Job {
			return s.must(s.Cancel(s.as("ann"), s.start("late", act{""}, o).ID))
		},
	}
	if len(into) != 6 {
		t.Fatal("a state is missing")
	}
	for state, make := range into {
		live := !state.Ended()

		j := make(jobs.StartOptions{})
		at, err := s.Cancel(s.as("bob"), j.ID)
		if state.Ended() != errors.Is(err, registry.ErrConflict) {
			t.Errorf("cancel a job that is %s: %v", state, err)
		}
		if live {
			if state == jobs.Running {
				if at.State != jobs.Running || !at.CancelRequested {
					t.Errorf("cancel a job that is %s: it is %s", state, at.State)
				}
				at = s.ended(j.ID)
			}
			if at.State != jobs.Cancelled || !errors.Is(at.Err(), jobs.ErrCancelled) || at.Error.Kind != "cancelled" || at.Ended.IsZero() {
				t.Errorf("cancelled when it was %s: %+v", state, at)
			}
			got := s.audited(j.ID)
			if got[1] != "bob session job.cancel ok" || !strings.HasSuffix(got[2], "job.end cancelled") || len(got) != 3 {
				t.Errorf("audited %q", got)
			}
		}

		j = make(jobs.StartOptions{})
		at, err = s.Retry(s.as("bob"), j.ID)
		if may := state == jobs.Failed || state == jobs.Cancelled || state == jobs.Waiting; may != (err == nil) || !may && !errors.Is(err, registry.ErrConflict) {
			t.Errorf("retry a job that is %s: %v", state, err)
		} else if may && (at.State != jobs.Queued || at.Error != nil || at.Result != nil || !at.Ended.IsZero() || at.WaitsFor != "" || at.CancelRequested) {
			t.Errorf("retried when it was %s: %+v", state, at)
		} else if may && !slices.Contains(s.audited(j.ID), "bob session job.retry ok") {
			t.Errorf("audited %q", s.audited(j.ID))
		}

		j = make(jobs.StartOptions{Exclusive: string(state)})
		_, err = s.Start(s.as("bob"), "act", act{""}, jobs.StartOptions{Exclusive: string(state)})
		if live != errors.Is(err, registry.ErrConflict) || live && !strings.Contains(err.Error(), j.ID) {
			t.Errorf("do what a job does that is %s: %v", state, err)
		}
		if at = s.must(s.Start(s.as("bob"), "act", act{""}, jobs.StartOptions{Exclusive: string(state), Join: true})); live && (at.ID != j.ID || !at.Joined) {
			t.Errorf("join a job that is %s: %+v", state, at)
		}

		j = make(jobs.StartOptions{})
		if err := s.Wake(t.Context(), "a drive"); err != nil {
			t.Error(err)
		}
		if at = s.must(s.Get(t.Context(), j.ID)); state != jobs.Waiting && state != jobs.Queued && at.Attempt != j.Attempt {
			t.Errorf("woken when it was %s: %+v", state, at)
		} else if state == jobs.Waiting && at.Attempt == j.Attempt && at.State != jobs.Queued {
			t.Errorf("not woken when it was %s: %+v", state, at)
		}
	}
	stop()
	if n := query[int](s, `SELECT count(*) FROM jobs WHERE state = 'running' OR lease_owner <> ''`); n > 0 {
		t.Errorf("%d jobs run after the end", n)
	}
}

// What is not there, or is not known, is said so.
func TestUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	ctx := t.Context()
	for _, id := range []string{"", "0000000000000000", "' OR 1=1 --", "\x00\xff"} {
		_, get := s.Get(ctx, id)
		_, cancel := s.Cancel(ctx, id)
		_, retry := s.Retry(ctx, id)
		_, await := s.Await(ctx, id)
		_, lines := s.Lines(ctx, id, 0, 0)
		_, wait := s.WaitLines(ctx, id, 0, 0)
		for _, err := range []error{get, cancel, retry, await, lines, wait} {
			if !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if err := s.Wake(ctx, "nothing"); err != nil {
		t.Error(err)
	}
	for what, start := range map[string]func() (jobs.Job, error){
		"kind":      func() (jobs.Job, error) { return s.Start(ctx, "nonsense", nil, jobs.StartOptions{}) },
		"arguments": func() (jobs.Job, error) { return s.Start(ctx, "act", strings.Repeat("x", 1<<20), jobs.StartOptions{}) },
		"key": func() (jobs.Job, error) {
			return s.Start(ctx, "act", nil, jobs.StartOptions{IdempotencyKey: strings.Repeat("x", 300)})
		},
	} {
		if _, err := start(); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
	if _, err := s.Start(ctx, "act", func() {}, jobs.StartOptions{}); err == nil {
		t.Error("arguments that cannot be kept were taken")
	}
	if list, err := s.List(ctx, jobs.Filter{}); len(list) > 0 || err != nil {
		t.Errorf("%+v, %v: want no jobs", list, err)
	}
}

// What a Run returns decides how the job ends.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{Describe: func(err error) jobs.Failure {
		return jobs.Failure{Kind: "described", Message: err.Error(), Detail: json.RawMessage(`{"more":1}`)}
	}})
	s.Register(jobs.Kind{Name: "bad result", Run: func(context.Context, *jobs.Run) (any, error) { return func() {}, nil }})
	s.keep()
	j := s.ended(s.do("fail").ID)
	if j.State != jobs.Failed || j.Error.Kind != "described" || j.Err().Error() != errBroken.Error() || string(j.Error.Detail) != `{"more":1}` || string(j.Result) != `"half"` {
		t.Errorf("failed: %+v", j)
	}
	if got := s.messages(j.ID); !slices.Equal(got, []string{"failed: it is broken"}) {
		t.Errorf("told %q", got)
	}
	j = s.ended(s.do("panic").ID)
	if j.State != jobs.Failed || !strings.Contains(j.Err().Error(), "at the disco") || strings.Contains(j.Err().Error(), "goroutine") {
		t.Errorf("panicked: %+v", j)
	}
	j = s.ended(s.start("bad result", nil, jobs.StartOptions{}).ID)
	if j.State != jobs.Failed || j.Result != nil {
		t.Errorf("bad result: %+v", j)
	}
	j = s.reaches(s.do("finish").ID, jobs.Running)
	s.must(s.Cancel(t.Context(), j.ID))
	if j = s.ended(j.ID); j.State != jobs.Done || !j.CancelRequested {
		t.Errorf("done in spite of being cancelled: %+v", j)
	}
	got := s.audited(j.ID)
	if slices.Sort(got); !slices.Equal(got, []string{"ann job:act job.end ok", "ann session job.start ok", "system  job.cancel ok"}) {
		t.Errorf("audited %q", got)
	}
}

// No change without its entry in the audit log.
func TestAuditFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	j := s.do("")
	s.exec(`ALTER TABLE audit RENAME TO elsewhere`)
	if _, err := s.Start(t.Context(), "act", nil, jobs.StartOptions{}); err == nil {
		t.Error("a job was started")
	}
	if _, err := s.Cancel(t.Context(), j.ID); err == nil {
		t.Error("a job was cancelled")
	}
	list, err := s.List(t.Context(), jobs.Filter{})
	if err != nil || len(list) != 1 || list[0].State != jobs.Queued || list[0].CancelRequested {
		t.Errorf("%+v, %v", list, err)
	}
}
