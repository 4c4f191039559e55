package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// Clients are told how far and how fast a job is, twice a second at most; the row
// follows.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, jobs.Options{})
		const total, chunk = 600 << 20, 1 << 20
		s.teller(func(_ context.Context, r *jobs.Run) {
			for at := int64(0); at <= total; at += chunk {
				r.Report(jobs.Progress{Phase: "copying", Bytes: at, TotalBytes: total})
				time.Sleep(100 * time.Millisecond)
			}
		})
		stop := s.keep()
		began := time.Now()
		id := s.start("tell", nil, jobs.StartOptions{}).ID
		time.Sleep(30*time.Second + 50*time.Millisecond)
		j := s.must(s.Get(t.Context(), id))
		if j.State != jobs.Running || j.Progress.Phase != "copying" || j.Progress.Bytes != 300*chunk {
			t.Errorf("%+v", j)
		}
		if rate := j.Progress.Rate / (10 * chunk); rate < 0.98 || rate > 1.02 {
			t.Errorf("rate %g of what it is", rate)
		}
		if left := j.Progress.Remaining; left < 29 || left > 31 {
			t.Errorf("%d s remain, want 30", left)
		}
		if since := time.Since(j.Heartbeat); since > time.Second {
			t.Errorf("the last sign of life was %s ago", since)
		}
		var saved jobs.Progress
		if err := json.Unmarshal([]byte(query[string](s, `SELECT progress FROM jobs`)), &saved); err != nil || saved.Bytes < 265*chunk {
			t.Errorf("saved %+v, %v", saved, err)
		}
		j = s.ended(id)
		if j.Progress.Bytes != total || j.Progress.Rate != 0 || j.Progress.Remaining != 0 {
			t.Errorf("at the end %+v", j.Progress)
		}
		stop()
		s.bus.Close()
		told, took := 0, time.Since(began)
		for {
			if _, err := s.heard.Next(t.Context()); err != nil {
				break
			}
			told++
		}
		if most := int(2*took.Seconds()) + 4; told > most || told < most/2 {
			t.Errorf("%d events in %s", told, took)
		}
	})
}

// While a job runs its lease is renewed, also when its code is silent; its last
// sign of life tells the two apart.
func TestLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, jobs.Options{})
		stop := s.keep()
		began := time.Now()
		id := s.reaches(s.do("block").ID, jobs.Running).ID
		for range 20 {
			time.Sleep(7 * time.Second)
			if until := query[int64](s, `SELECT lease_until FROM jobs`); until <= time.Now().UnixMilli() {
				t.Errorf("the lease ended at %d", until)
			}
		}
		if j := s.must(s.Get(t.Context(), id)); j.Heartbeat.Sub(began) > time.Second {
			t.Errorf("%+v: a sign of life", j)
		}
		stop()
	})
}

// A job that another process has taken is left to it.
func TestLostLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, jobs.Options{})
		ended := make(chan error)
		s.Register(jobs.Kind{Name: "lost", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
			<-ctx.Done()
			err := r.SetCursor(ctx, "further")
			ended <- err
			return nil, err
		}})
		stop := s.keep()
		id := s.reaches(s.start("lost", nil, jobs.StartOptions{}).ID, jobs.Running).ID
		s.exec(`UPDATE jobs SET lease_owner = 'other'`)
		if err := <-ended; err == nil {
			t.Error("a job that is another's got further")
		}
		stop()
		if j := s.must(s.Get(t.Context(), id)); j.State != jobs.Running || query[sql.NullString](s, `SELECT cursor FROM jobs`).Valid {
			t.Errorf("%+v", j)
		}
	})
}

// While the database cannot be written nothing is lost: the end of a job is noted
// when it can be again.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, jobs.Options{})
		goOn := make(chan struct{})
		s.teller(func(ctx context.Context, r *jobs.Run) {
			<-goOn
			r.Log(slog.LevelInfo, "one", nil)
			if err := r.Step(ctx, "step", func(context.Context) error { return nil }); err == nil {
				t.Error("a step was noted in a broken database")
			}
			if err := r.SetCursor(ctx, 1); err == nil {
				t.Error("a cursor was noted in a broken database")
			}
			time.Sleep(5 * time.Second)
		})
		stop := s.keep()
		id := s.reaches(s.start("tell", nil, jobs.StartOptions{}).ID, jobs.Running).ID
		s.exec(`CREATE TRIGGER broken BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'broken'); END`)
		goOn <- struct{}{}
		time.Sleep(20 * time.Second)
		if j := s.must(s.Get(t.Context(), id)); j.State != jobs.Done || !j.Ended.IsZero() { // it is, and that is not noted
			t.Errorf("%+v", j)
		}
		next := s.do("").ID
		s.exec(`DROP TRIGGER broken`)
		time.Sleep(20 * time.Second)
		if j := s.ended(id); j.State != jobs.Done || j.Ended.IsZero() || len(j.Steps) > 0 {
			t.Errorf("%+v", j)
		}
		if got := s.messages(id); len(got) != 1 || got[0] != "one" {
			t.Errorf("told %q", got)
		}
		if j := s.ended(next); j.State != jobs.Done {
			t.Errorf("%+v", j)
		}
		stop()
	})
}

// When the appliance ends while the database cannot be written, it ends.
func TestShutdownWithBrokenDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := make(chan int, 2)
		run := func(ctx context.Context, r *jobs.Run) (any, error) {
			begun <- r.Attempt()
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		s := newSite(t, jobs.Options{})
		s.Register(jobs.Kind{Name: "begun", Run: run})
		stop := s.keep()
		id := s.start("begun", nil, jobs.StartOptions{}).ID
		<-begun
		s.exec(`CREATE TRIGGER broken BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'broken'); END`)
		stop()
		s.exec(`DROP TRIGGER broken`)
		s = s.again(jobs.Options{})
		s.Register(jobs.Kind{Name: "begun", Run: run})
		s.keep()
		if n := <-begun; n != 2 || query[int](s, `SELECT crashes FROM jobs`) != 1 {
			t.Errorf("attempt %d", n)
		}
		if _, err := s.Cancel(t.Context(), id); err != nil || !errors.Is(s.ended(id).Err(), jobs.ErrCancelled) {
			t.Error(err)
		}
	})
}
