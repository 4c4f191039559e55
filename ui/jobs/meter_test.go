package jobs

import (
	"math"
	"testing"
	"time"
)

// measured is the progress after so many seconds of reports.
func measured(m *meter, from time.Time, seconds int, at func(second int) Progress) (Progress, time.Time) {
	for s := range seconds {
		m.report(at(s))
		m.sample(from.Add(time.Duration(s) * time.Second))
	}
	return m.now, from.Add(time.Duration(seconds) * time.Second)
}

func near(a, b float64) bool { return math.Abs(a-b) <= 0.02*math.Abs(b) }

func TestMeter(t *testing.T) {
	t.Parallel()
	var m meter
	m.sample(time.Unix(0, 0)) // before anything was reported
	steady := func(s int) Progress {
		return Progress{Phase: "a", Bytes: 5000 + 100*int64(s), TotalBytes: 100_000}
	}
	at, now := measured(&m, time.Unix(1, 0), 60, steady)
	if !near(at.Rate, 100) || !near(float64(at.Remaining), 891) {
		t.Errorf("a steady job that went on: %+v", at)
	}
	at, now = measured(&m, now, 10, func(int) Progress { return steady(59) })
	if at.Rate < 30 || at.Rate > 45 || at.Remaining < 2000 {
		t.Errorf("after ten seconds of standstill: %+v", at)
	}
	at, now = measured(&m, now, 1000, func(int) Progress { return steady(59) })
	if at.Rate != 0 || at.Remaining != 0 {
		t.Errorf("after a long standstill: %+v", at)
	}
	at, now = measured(&m, now, 100, func(s int) Progress { return Progress{Phase: "b", Items: int64(s) / 2, TotalItems: 100} })
	if at.Rate != 0 || at.Remaining < 95 || at.Remaining > 115 {
		t.Errorf("another phase, with items: %+v", at)
	}
	at, _ = measured(&m, now, 1, func(int) Progress { return Progress{Phase: "b", Items: 1, TotalItems: 100} })
	if at.Remaining != 0 {
		t.Errorf("begun anew: %+v", at)
	}
	m.sample(now)
	m.sample(now.Add(-time.Hour)) // a clock that was set back
	if math.IsNaN(m.now.Rate) || math.IsInf(m.now.Rate, 0) || m.now.Rate < 0 {
		t.Errorf("%+v", m.now)
	}
}

// What is done is not remaining.
func TestMeterAtTheEnd(t *testing.T) {
	t.Parallel()
	var m meter
	at, _ := measured(&m, time.Unix(1, 0), 20, func(s int) Progress { return Progress{Bytes: 10 * int64(s), TotalBytes: 100} })
	if at.Remaining != 0 {
		t.Errorf("%+v", at)
	}
	at, _ = measured(&m, time.Unix(100, 0), 20, func(int) Progress { return Progress{Phase: "x", TotalBytes: math.MaxInt64, Bytes: 1} })
	if at.Remaining != 0 {
		t.Errorf("%+v", at)
	}
}

// Ids ascend whatever the clock does, and after a restart.
func TestIDs(t *testing.T) {
	t.Parallel()
	var s ids
	last := ""
	for k := range 1000 {
		if k == 500 {
			s.last += int64(1000 * time.Hour / time.Millisecond) // the clock was wrong, and is set back
		}
		id := s.next()
		if id <= last || len(id) != 16 {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}
