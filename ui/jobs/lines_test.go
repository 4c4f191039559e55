package jobs_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// teller is a kind of jobs that tell, and go on when a test says so.
func (s *site) teller(tell func(ctx context.Context, r *jobs.Run)) {
	s.Register(jobs.Kind{Name: "tell", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		tell(ctx, r)
		return nil, nil
	}})
}

// A job that tells too much is cut short: first its information, then all.
func TestTooManyLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.teller(func(_ context.Context, r *jobs.Run) {
		for range 100_000 {
			r.Log(slog.LevelInfo, "info", nil)
		}
		for range 2 {
			r.Log(slog.LevelWarn, "warning", nil)
		}
		r.Log(slog.LevelDebug, "debug", nil)
		for range 20_000 {
			r.Log(slog.LevelError, "error", map[string]int{"n": 1})
		}
	})
	s.keep()
	id := s.ended(s.start("tell", nil, jobs.StartOptions{}).ID).ID
	got := s.messages(id)
	if len(got) != 20_001 {
		t.Fatalf("%d lines", len(got))
	}
	for n, want := range map[int]string{0: "info", 9_999: "info", 10_000: "more was told than is kept: from here on only warnings and errors are",
		10_001: "warning", 10_002: "warning", 10_003: "error", 19_999: "error", 20_000: "more was told than is kept: nothing further is"} {
		if got[n] != want {
			t.Errorf("line %d is %q, want %q", n+1, got[n], want)
		}
	}
	page, err := s.Lines(t.Context(), id, 10_001, 3)
	if err != nil || len(page) != 3 || page[0].N != 10_002 || page[0].Level != "warn" || page[0].At.IsZero() || page[2].Level != "error" || string(page[2].Data) != `{"n":1}` {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err := s.Lines(t.Context(), id, 0, 0); len(page) != 1000 || err != nil {
		t.Errorf("%d lines without a limit, %v", len(page), err)
	}
	if page, err := s.Lines(t.Context(), id, 20_001, 0); len(page) > 0 || err != nil {
		t.Errorf("%+v, %v: want nothing after the last line", page, err)
	}
}

// Lines are what they were told as, within bounds, and text whatever is in them.
func TestHostileLines(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.teller(func(_ context.Context, r *jobs.Run) {
		r.Log(slog.LevelInfo, "\x1b[31m\xff\x00'); DROP TABLE jobs; --", nil)
		r.Log(slog.LevelInfo, strings.Repeat("ü", 5000), nil)
		r.Log(slog.LevelInfo, "large", strings.Repeat("x", 100_000))
		r.Log(slog.LevelInfo, "broken", func() {})
		r.Log(slog.LevelInfo+1, "odd", nil)
	})
	s.keep()
	id := s.ended(s.start("tell", nil, jobs.StartOptions{}).ID).ID
	lines, err := s.Lines(t.Context(), id, 0, 0)
	if err != nil || len(lines) != 5 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if got := lines[0].Message; got != "\x1b[31m\uFFFD\x00'); DROP TABLE jobs; --" {
		t.Errorf("%q", got)
	}
	for _, l := range lines {
		if len(l.Message) > 5000 || !utf8.ValidString(l.Message) || len(l.Data) > 0 || l.Level != "info" {
			t.Errorf("%+v", l)
		}
	}
	if !strings.HasSuffix(lines[1].Message, "ü…") || !strings.Contains(lines[2].Message, "100002 bytes") {
		t.Errorf("%q, %q", lines[1].Message, lines[2].Message)
	}
}

// Who waits for lines gets them soon, while the job goes on, and hears of each
// change of its state.
func TestWaitLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, jobs.Options{})
		goOn := make(chan struct{})
		s.teller(func(_ context.Context, r *jobs.Run) {
			<-goOn
			r.Log(slog.LevelInfo, "one", nil)
			r.Log(slog.LevelInfo, "two", nil)
			<-goOn
			r.Log(slog.LevelInfo, "three", nil)
			<-goOn
		})
		id := s.start("tell", nil, jobs.StartOptions{}).ID
		heard := make(chan []string)
		wait := func(after int64) {
			lines, err := s.WaitLines(t.Context(), id, after, 10)
			if err != nil {
				t.Error(err)
			}
			messages := []string{}
			for _, l := range lines {
				messages = append(messages, l.Message)
			}
			heard <- messages
		}
		expect := func(want ...string) {
			t.Helper()
			if got := <-heard; !slices.Equal(got, want) {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		go wait(0)
		synctest.Wait()
		stop := s.keep()
		expect() // it runs now
		go wait(0)
		synctest.Wait()
		goOn <- struct{}{}
		expect("one", "two")
		go wait(2)
		synctest.Wait()
		goOn <- struct{}{}
		expect("three")
		go wait(2)
		expect("three")
		go wait(3)
		synctest.Wait()
		goOn <- struct{}{}
		expect() // it has ended
		go wait(3)
		expect()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.WaitLines(ctx, id, 3, 10); err == nil {
			t.Error("no error when nobody waits any more")
		}
		stop()
	})
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	id := s.do("").ID
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	if _, err := s.Await(ctx, id); err == nil {
		t.Error("no error when nobody waits any more")
	}
}
