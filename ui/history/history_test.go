package history

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/observe"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// A sample has what the counters grew by, and what is stored.
func TestSample(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	p.stats = store.Stats{BlobBytes: 1000, TrashBytes: 10, FreeBytes: 5000, Tags: 3}
	p.traffic = observe.Traffic{Received: 7, Pulls: 2}
	p.pass(time.Minute, 100)
	p.stats.BlobBytes = 2000
	p.traffic.Pulls = 5
	p.pass(time.Minute+4*time.Millisecond, 50)
	s := h.series(t, Hour)
	if !s.Until.Equal(noon.Add(2*time.Minute)) || s.From.Before(noon.Add(-time.Hour)) || s.Step != 60 {
		t.Errorf("from %s until %s by %d", s.From, s.Until, s.Step)
	}
	check(t, s.Samples,
		Sample{At: noon, Seconds: 60, SentBytes: 100, Requests: 2, ReceivedBytes: 7, StoreBytes: 1000, TrashBytes: 10, FreeBytes: 5000, Tags: 3},
		Sample{At: noon.Add(time.Minute), Seconds: 60, SentBytes: 50, Requests: 3, StoreBytes: 2000, TrashBytes: 10, FreeBytes: 5000, Tags: 3})
}

// A restart within a minute neither loses nor invents anything.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	p.pass(time.Minute, 1000)
	p.pass(20*time.Second, 300) // its end
	p = run(t, h, noon.Add(90*time.Second))
	p.pass(30*time.Second, 40)
	check(t, h.series(t, Hour).Samples,
		Sample{At: noon, Seconds: 60, SentBytes: 1000}, Sample{At: noon.Add(time.Minute), Seconds: 50, SentBytes: 340})
}

// A counter that began anew has grown by all that it has.
func TestCounterReset(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	p.pass(time.Minute, 1000)
	p.traffic.Sent = 0
	p.pass(time.Minute, 30)
	check(t, h.series(t, Hour).Samples,
		Sample{At: noon, Seconds: 60, SentBytes: 1000}, Sample{At: noon.Add(time.Minute), Seconds: 60, SentBytes: 30})
}

// A time in which nobody ran has no samples.
func TestGap(t *testing.T) {
	t.Parallel()
	h := open(t)
	run(t, h, noon).pass(time.Minute, 1000)
	later := noon.Add(3 * time.Hour)
	run(t, h, later).pass(time.Minute, 10)
	check(t, h.series(t, Day).Samples, Sample{At: noon, Seconds: 60, SentBytes: 1000}, Sample{At: later, Seconds: 60, SentBytes: 10})
}

// A machine that slept has counted as long as it was awake; its clock goes on.
func TestSleep(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	p.pass(time.Minute, 1000)
	p.now.wall = p.now.wall.Add(2 * time.Hour)
	p.pass(time.Minute, 10)
	check(t, h.series(t, Day).Samples,
		Sample{At: noon, Seconds: 60, SentBytes: 1000}, Sample{At: noon.Add(2 * time.Hour), Seconds: 60, SentBytes: 10})
}

// Where the clock goes back, minutes come twice: they have what both had.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	for range 5 {
		p.pass(time.Minute, 100)
	}
	p.now.wall = p.now.wall.Add(-3 * time.Minute)
	p.stats.Tags = 9
	p.pass(time.Minute, 7)
	p.now.wall = p.now.wall.Add(20 * time.Minute)
	bytes := int64(0)
	for _, s := range h.series(t, Hour).Samples {
		bytes += s.SentBytes
		if twice := s.At.Equal(noon.Add(2 * time.Minute)); twice != (s.Seconds == 120) || twice != (s.SentBytes == 107) || twice != (s.Tags == 9) || s.Seconds < 60 {
			t.Errorf("%+v", s)
		}
	}
	if bytes != 507 {
		t.Errorf("%d bytes, want 507", bytes)
	}
}

// Minutes become hours with the same sums and the last storage; hours are forgotten.
func TestThinning(t *testing.T) {
	t.Parallel()
	h := open(t)
	began, total := noon.Add(-2*time.Minute), int64(0)
	const minutes = 3*24*60 - 1
	err := h.db.WriteSoon(t.Context(), func(tx *sql.Tx) error {
		for k := range int64(minutes) {
			s := Sample{At: began.Add(time.Duration(k) * time.Minute), Seconds: 60, SentBytes: k % 97, StoreBytes: k}
			if err := s.add(t.Context(), tx); err != nil {
				return err
			}
			total += k % 97
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p := run(t, h, began.Add(minutes*time.Minute))
	p.pass(time.Minute, 5)
	total += 5
	inMinutes, rows := h.sent(t, 60)
	inHours, hours := h.sent(t, 3600)
	if inMinutes+inHours != total || hours != 24 || rows < 2*24*60 || rows >= 2*24*60+60 {
		t.Fatalf("%d bytes in %d minutes and %d in %d hours; %d were sent", inMinutes, rows, inHours, hours, total)
	}
	week := h.series(t, Week)
	if len(week.Samples) != 73 || week.Step != 3600 {
		t.Fatalf("%d samples by %d", len(week.Samples), week.Step)
	}
	if first, second := week.Samples[0], week.Samples[1]; first.Seconds != 120 || first.StoreBytes != 1 || second.Seconds != 3600 || second.StoreBytes != 61 || !second.At.Equal(noon) {
		t.Errorf("%+v, then %+v", first, second)
	}
	for _, s := range week.Samples {
		total -= s.SentBytes
	}
	if total != 0 {
		t.Errorf("the series has %d bytes less than were sent", total)
	}
	p.now.wall = p.now.wall.Add(keepHours - 10*time.Hour)
	p.pass(time.Minute, 1)
	if _, rows := h.sent(t, 60); rows != 1 {
		t.Errorf("%d minutes are left", rows)
	}
	if _, hours := h.sent(t, 3600); hours != 10 {
		t.Errorf("%d hours are left", hours)
	}
}

// Minutes that are old when they come, by a clock that was set back, join the hours
// that are there.
func TestOldMinutes(t *testing.T) {
	t.Parallel()
	h := open(t)
	p := run(t, h, noon)
	p.pass(time.Minute, 100)
	p.now.wall = noon.Add(72 * time.Hour)
	p.pass(time.Minute, 10)
	p.now.wall = noon.Add(time.Minute)
	p.pass(time.Minute, 1)
	p.now.wall = noon.Add(73 * time.Hour)
	p.pass(time.Minute, 10)
	check(t, h.series(t, Week).Samples, Sample{At: noon, Seconds: 120, SentBytes: 101},
		Sample{At: noon.Add(72 * time.Hour), Seconds: 60, SentBytes: 10}, Sample{At: noon.Add(73 * time.Hour), Seconds: 60, SentBytes: 10})
}

// Every span has few enough samples to draw, also where all are there; and there is
// no other span.
func TestSpans(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.now = func() instant { return instant{wall: noon.Add(17 * time.Second)} }
	for span, r := range resolutions {
		s := h.series(t, span)
		if n := s.Until.Sub(s.From)/r.step + 1; n > 300 || n < 60 {
			t.Errorf("%s has up to %d samples", span, n)
		}
		if s.Samples == nil || r.length > keepMinutes && r.step%time.Hour != 0 {
			t.Errorf("%s: %+v", span, s)
		}
	}
	if _, err := h.Series(t.Context(), "2d"); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}

// Keep samples on the minute and at its end. While nothing can be written, the next
// sample is of all that time: what it says of rates is right, and nothing is lost.
func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := open(t)
		began := time.Now()
		time.Sleep(45 * time.Second)
		f := &fixed{}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.Keep(ctx, f, f)
		}()
		wait := func(d time.Duration, sent int64, err error) {
			f.set(sent, err)
			time.Sleep(d)
			synctest.Wait()
		}
		wait(15*time.Second, 15, nil)
		wait(time.Minute, 60, nil)
		wait(3*time.Minute, 1000, errors.New("disk on fire"))
		wait(time.Minute, 200, nil)
		wait(20*time.Second, 20, nil)
		stop()
		<-ended
		check(t, h.series(t, Hour).Samples, Sample{At: began, Seconds: 15, SentBytes: 15}, Sample{At: began.Add(time.Minute), Seconds: 60, SentBytes: 60},
			Sample{At: began.Add(4 * time.Minute), Seconds: 240, SentBytes: 1200}, Sample{At: began.Add(6 * time.Minute), Seconds: 20, SentBytes: 20})
	})
}

// A timer that comes a moment early is no reason for a sample of that moment.
func TestUntilMinute(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Duration]time.Duration{
		0: time.Minute, time.Second: 59 * time.Second, 59 * time.Second: time.Second,
		59*time.Second + 999*time.Millisecond: time.Minute + time.Millisecond,
	} {
		if got := untilMinute(noon.Add(at)); got != want {
			t.Errorf("%s after the minute: %s, want %s", at, got, want)
		}
	}
}
