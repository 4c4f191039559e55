package jobs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// stages is a kind of jobs with three steps and a cursor. In its second step it
// stops until a test lets it go on.
type stages struct {
	did  chan string
	goOn chan struct{}
}

func (s *site) stages() *stages {
	k := &stages{did: make(chan string, 100), goOn: make(chan struct{})}
	s.Register(jobs.Kind{Name: "stages", Run: k.run})
	return k
}

func (k *stages) run(ctx context.Context, r *jobs.Run) (any, error) {
	at := "nothing"
	there, err := r.Cursor(&at)
	if err != nil {
		return nil, err
	}
	if there {
		k.did <- "was at " + at
	}
	err = r.Step(ctx, "one", func(context.Context) error {
		k.did <- "one"
		return r.SetCursor(ctx, "one")
	})
	if err != nil {
		return nil, err
	}
	err = r.Step(ctx, "two", func(ctx context.Context) error {
		k.did <- "two"
		select {
		case <-k.goOn:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return nil, err
	}
	return at, r.Step(ctx, "three", func(context.Context) error {
		k.did <- "three"
		return nil
	})
}

func (k *stages) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-k.did; got != w {
			t.Fatalf("did %q, want %q", got, w)
		}
	}
}

// A job that runs when the appliance ends is told so, and goes on at its last step
// after the next start. That is no crash.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{Crashes: 2})
	k := s.stages()
	stop := s.keep()
	id := s.start("stages", nil, jobs.StartOptions{}).ID
	k.expect(t, "one", "two")
	stop()
	for range 4 {
		if j := s.must(s.Get(t.Context(), id)); j.State != jobs.Queued || j.Error != nil || len(j.Steps) != 1 {
			t.Fatalf("%+v after the end", j)
		}
		s = s.again(jobs.Options{Crashes: 2})
		k = s.stages()
		stop = s.keep()
		k.expect(t, "was at one", "two")
		stop()
	}
	s = s.again(jobs.Options{Crashes: 2})
	k = s.stages()
	s.keep()
	k.expect(t, "was at one", "two")
	k.goOn <- struct{}{}
	k.expect(t, "three")
	j := s.ended(id)
	if j.State != jobs.Done || j.Attempt != 6 || len(j.Steps) != 3 || string(j.Result) != `"one"` {
		t.Errorf("%+v", j)
	}
	if n := query[int](s, `SELECT crashes FROM jobs`); n != 0 {
		t.Errorf("%d crashes", n)
	}
	if got := s.audited(id); len(got) != 2 {
		t.Errorf("audited %q", got)
	}
}

// A job that fails goes on at its last step when it is retried.
func TestRetryGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	k := s.stages()
	s.keep()
	id := s.start("stages", nil, jobs.StartOptions{}).ID
	k.expect(t, "one", "two")
	s.must(s.Cancel(t.Context(), id))
	if j := s.ended(id); j.State != jobs.Cancelled {
		t.Fatalf("%+v", j)
	}
	s.must(s.Retry(s.as("bob"), id))
	k.expect(t, "was at one", "two")
	k.goOn <- struct{}{}
	k.expect(t, "three")
	if j := s.ended(id); j.State != jobs.Done || j.Attempt != 2 || j.CancelRequested || j.Owner != "ann" {
		t.Errorf("%+v", j)
	}
	if got := s.messages(id); !slices.Equal(got, []string{"cancelled", "retried by bob"}) {
		t.Errorf("told %q", got)
	}
}

// crashed leaves a job as a process does that is killed while it runs.
func (s *site) crashed(id string) {
	s.exec(`UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_owner = 'earlier', lease_until = 9999999999999 WHERE id = ?`, id)
}

// What the appliance ends with again and again is not begun again for ever.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	begun := make(chan int, 10)
	register := func(s *site) {
		s.Register(jobs.Kind{Name: "loop", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
			begun <- r.Attempt()
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}})
	}
	s := newSite(t, jobs.Options{})
	register(s)
	id := s.start("loop", nil, jobs.StartOptions{}).ID
	for range 2 {
		s.crashed(id)
		s = s.again(jobs.Options{})
		register(s)
		stop := s.keep()
		<-begun
		stop()
	}
	s.crashed(id)
	s = s.again(jobs.Options{})
	register(s)
	s.keep()
	j := s.ended(id)
	if j.State != jobs.Failed || !strings.Contains(j.Err().Error(), "3 times") {
		t.Errorf("%+v", j)
	}
	if got := s.audited(id); len(got) != 2 || !strings.HasSuffix(got[1], "job.end failed") {
		t.Errorf("audited %q", got)
	}
	s.must(s.Retry(t.Context(), id)) // somebody has mended it
	if n := <-begun; n != 6 {
		t.Errorf("attempt %d, want 6", n)
	}
}

// A job that gets further between crashes goes on.
func TestCrashesWithProgress(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	further := make(chan int, 10)
	register := func() {
		s.Register(jobs.Kind{Name: "slow", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
			var n int
			if _, err := r.Cursor(&n); err != nil || n == 6 {
				return nil, err
			}
			if err := r.SetCursor(ctx, n+1); err != nil {
				return nil, err
			}
			further <- n
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}})
	}
	register()
	id := s.start("slow", nil, jobs.StartOptions{}).ID
	for range 6 {
		stop := s.keep()
		<-further
		stop()
		s.crashed(id)
		s = s.again(jobs.Options{})
		register()
	}
	s.keep()
	if j := s.ended(id); j.State != jobs.Done {
		t.Errorf("%+v", j)
	}
}

// What was to be cancelled when the appliance ended does not go on.
func TestCancelledBeforeCrash(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	id := s.do("block").ID
	s.crashed(id)
	for range 2 {
		if j := s.must(s.Cancel(s.as("bob"), id)); j.State != jobs.Running || !j.CancelRequested {
			t.Errorf("%+v", j)
		}
	}
	s = s.again(jobs.Options{})
	s.keep()
	if j := s.ended(id); j.State != jobs.Cancelled {
		t.Errorf("%+v", j)
	}
	if got := s.audited(id); len(got) != 3 {
		t.Errorf("audited %q", got)
	}
}

// A job waits for what it needs, over a restart too, and goes on when that is back.
func TestWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	there := false
	register := func() {
		s.Register(jobs.Kind{Name: "wait", Run: func(context.Context, *jobs.Run) (any, error) {
			if !there {
				return nil, errors.Join(errors.New("more"), &jobs.Wait{For: "drive 7", Err: errBroken})
			}
			return nil, nil
		}})
	}
	register()
	stop := s.keep()
	id := s.start("wait", nil, jobs.StartOptions{}).ID
	j := s.reaches(id, jobs.Waiting)
	if j.WaitsFor != "drive 7" || j.Error == nil || j.Error.Message != errBroken.Error() || !j.Ended.IsZero() {
		t.Errorf("%+v", j)
	}
	stop()
	s = s.again(jobs.Options{})
	register()
	s.keep()
	for _, key := range []string{"drive", "drive 77", ""} {
		if err := s.Wake(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if j = s.must(s.Get(t.Context(), id)); j.State != jobs.Waiting || j.Attempt != 1 {
		t.Errorf("%+v, want it to wait", j)
	}
	there = true
	if err := s.Wake(t.Context(), "drive 7"); err != nil {
		t.Error(err)
	}
	if j = s.ended(id); j.State != jobs.Done || j.Attempt != 2 || j.WaitsFor != "" || j.Error != nil {
		t.Errorf("%+v", j)
	}
	if got := s.messages(id); !slices.Equal(got, []string{"waits: it is broken", "what it waited for is back: drive 7"}) {
		t.Errorf("told %q", got)
	}
}

// What comes back while a job is about to wait for it is not missed.
func TestWakeBeforeWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.Register(jobs.Kind{Name: "wait", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		if r.Attempt() == 1 {
			return nil, errors.Join(s.Wake(ctx, "drive 7"), &jobs.Wait{For: "drive 7"})
		}
		return nil, nil
	}})
	s.keep()
	if j := s.ended(s.start("wait", nil, jobs.StartOptions{}).ID); j.State != jobs.Done || j.Attempt != 2 {
		t.Errorf("%+v", j)
	}
}

// A step that fails is not done; one whose context ended while it was done is.
func TestSteps(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.Register(jobs.Kind{Name: "steps", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		fails := func(context.Context) error { return errBroken }
		never := func(context.Context) error { t.Error("done again, or after the end"); return nil }
		ends := func(ctx context.Context) error {
			_, err := s.Cancel(ctx, r.ID())
			<-ctx.Done()
			return err
		}
		if err := r.Step(ctx, "bad", fails); !errors.Is(err, errBroken) {
			t.Errorf("%v", err)
		}
		if err := r.Step(ctx, "good", ends); err != nil {
			t.Errorf("%v", err)
		}
		if err := r.Step(ctx, "good", never); err != nil {
			t.Errorf("%v", err)
		}
		err := r.Step(ctx, "next", never)
		if !errors.Is(err, jobs.ErrCancelled) {
			t.Errorf("%v, want it cancelled", err)
		}
		return nil, err
	}})
	s.keep()
	j := s.ended(s.start("steps", nil, jobs.StartOptions{}).ID)
	if j.State != jobs.Cancelled || len(j.Steps) != 1 || j.Steps[0].Name != "good" {
		t.Errorf("%+v", j)
	}
}
