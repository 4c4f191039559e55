package history

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/observe"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func open(t testing.TB) *History {
	t.Helper()
	db, err := sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "landfall.db"), fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT);\n")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h, err := Open(t.Context(), db, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// fixed is a Source and a Meter whose numbers tests set.
type fixed struct {
	mu      sync.Mutex // protects the rest where Keep runs
	stats   store.Stats
	traffic observe.Traffic
	err     error
}

func (f *fixed) Stats(context.Context) (store.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats, f.err
}

func (f *fixed) Traffic() observe.Traffic {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.traffic
}

// set says what is sent from now on, and whether the store answers.
func (f *fixed) set(sent int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.traffic.Sent += sent
	f.err = err
}

// process is one life of an appliance, with a clock that only the test moves.
type process struct {
	t testing.TB
	h *History
	fixed
	now  instant
	last reading
}

// run begins a process at a time.
func run(t testing.TB, h *History, at time.Time) *process {
	p := &process{t: t, h: h, now: instant{wall: at}}
	h.now = func() instant { return p.now }
	p.last = reading{at: p.now}
	return p
}

// pass lets time go by, in which some bytes are sent, and samples.
func (p *process) pass(d time.Duration, sent int64) {
	p.t.Helper()
	p.now.wall, p.now.running = p.now.wall.Add(d), p.now.running+d
	p.traffic.Sent += sent
	next := reading{p.now, p.traffic}
	if err := p.h.take(p.t.Context(), p, p.last, next); err != nil {
		p.t.Fatal(err)
	}
	p.last = next
}

func (h *History) series(t testing.TB, span Span) Series {
	t.Helper()
	s, err := h.Series(t.Context(), span)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent is what all samples of a table have, by step; and how many they are.
func (h *History) sent(t testing.TB, step int64) (bytes, rows int64) {
	t.Helper()
	if err := h.db.Read.QueryRow(`SELECT coalesce(sum(sent_bytes), 0), count(*) FROM history WHERE step = ?`, step).Scan(&bytes, &rows); err != nil {
		t.Fatal(err)
	}
	return bytes, rows
}

// check compares samples by their minute of the day and what they are about.
func check(t testing.TB, got []Sample, want ...Sample) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d: %+v", len(got), len(want), got)
	}
	for k := range got {
		if !got[k].At.Equal(want[k].At) {
			t.Errorf("sample %d is of %s, want %s", k, got[k].At, want[k].At)
		}
		if want[k].At = got[k].At; got[k] != want[k] {
			t.Errorf("sample %d is\n%+v, want\n%+v", k, got[k], want[k])
		}
	}
}
