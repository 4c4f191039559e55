package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/ui/events"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// next is the next event, which is there already.
func next(t *testing.T, s *events.Subscription) events.Event {
	t.Helper()
	e, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// told are the data of so many events.
func told(t *testing.T, s *events.Subscription, n int) (list []string) {
	t.Helper()
	for range n {
		e := next(t, s)
		list = append(list, e.Type+string(e.Data))
	}
	return list
}

// nothing says that no event is there: a subscription hears of its end first.
func nothing(t *testing.T, b *events.Bus, s *events.Subscription) {
	t.Helper()
	b.Close()
	if e, err := s.Next(t.Context()); !errors.Is(err, events.ErrClosed) {
		t.Errorf("%+v, %v: want no more events", e, err)
	}
}

// Who comes back with the id of an event gets all after it, once and in order.
func TestReplay(t *testing.T) {
	t.Parallel()
	b := events.NewBus(0)
	first := b.Subscribe("")
	for n := range 5 {
		b.Publish("n", n)
	}
	var ids []string
	for n := range 5 {
		e := next(t, first)
		if e.Type != "n" || string(e.Data) != fmt.Sprint(n) || e.At.IsZero() {
			t.Errorf("%+v, want number %d", e, n)
		}
		ids = append(ids, e.ID)
	}
	for k, id := range ids {
		s := b.Subscribe(id)
		for _, want := range ids[k+1:] {
			if e := next(t, s); e.ID != want {
				t.Errorf("%s after %s, want %s", e.ID, id, want)
			}
		}
	}
	s := b.Subscribe(b.Last())
	nothing(t, b, s)
}

// Who comes with an id that says nothing here is told to read the state anew, once,
// and goes on from there.
func TestReset(t *testing.T) {
	t.Parallel()
	earlier := events.NewBus(4)
	earlier.Publish("n", 0)
	b := events.NewBus(4)
	before := b.Last()
	for n := range 5 {
		b.Publish("n", n)
	}
	epoch, _, _ := strings.Cut(b.Last(), "-")
	for what, id := range map[string]string{
		"of an earlier start": earlier.Last(),
		"forgotten":           before,
		"of the future":       epoch + "-1000",
		"not canonical":       epoch + "-05",
		"without a number":    epoch,
		"no id":               "x\ny",
		"negative":            epoch + "--1",
		"huge":                epoch + "-99999999999999999999999",
	} {
		s := b.Subscribe(id, "m")
		e := next(t, s)
		var data struct{ Reason string }
		if e.Type != events.Reset || e.ID != b.Last() || json.Unmarshal(e.Data, &data) != nil || data.Reason == "" {
			t.Errorf("%s: %+v, want a reset", what, e)
		}
		b.Publish("m", what)
		if e := next(t, s); e.Type != "m" {
			t.Errorf("%s: %+v after the reset", what, e)
		}
		if e := next(t, b.Subscribe(e.ID)); e.Type != "m" {
			t.Errorf("%s: %+v when coming back after a reset", what, e)
		}
	}
}

// The oldest event that is kept can be had, and not the one before.
func TestOldest(t *testing.T) {
	t.Parallel()
	b := events.NewBus(3)
	ids := []string{b.Last()}
	for n := range 5 {
		b.Publish("n", n)
		ids = append(ids, b.Last())
	}
	if got := told(t, b.Subscribe(ids[2]), 3); !slices.Equal(got, []string{"n2", "n3", "n4"}) {
		t.Errorf("%q", got)
	}
	if e := next(t, b.Subscribe(ids[1])); e.Type != events.Reset {
		t.Errorf("%+v, want a reset", e)
	}
}

// A subscriber that does not ask neither holds up the others nor misses something
// without being told.
func TestSlow(t *testing.T) {
	t.Parallel()
	b := events.NewBus(8)
	slow := b.Subscribe("")
	for n := range 100 {
		b.Publish("n", n)
	}
	if e := next(t, slow); e.Type != events.Reset || e.ID != b.Last() {
		t.Errorf("%+v, want a reset", e)
	}
	b.Publish("n", 100)
	if got := told(t, slow, 1); got[0] != "n100" {
		t.Errorf("%q after the reset", got)
	}
	nothing(t, b, slow)
}

// Large events push out older ones before the bus is full of events.
func TestLargeEvents(t *testing.T) {
	t.Parallel()
	b := events.NewBus(0)
	first := b.Subscribe("")
	for range 40 {
		b.Publish("large", strings.Repeat("x", 1<<20))
	}
	if e := next(t, first); e.Type != events.Reset {
		t.Errorf("an event of type %s, want a reset", e.Type)
	}
	b.Publish("larger than all", strings.Repeat("x", 20<<20))
	if e := next(t, first); e.Type != "larger than all" {
		t.Errorf("an event of type %s", e.Type)
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	b := events.NewBus(0)
	one, two := b.Subscribe("", "a"), b.Subscribe("", "a", "c")
	for n, kind := range []string{"a", "b", "c", "b", "a"} {
		b.Publish(kind, n)
	}
	if got := told(t, one, 2); !slices.Equal(got, []string{"a0", "a4"}) {
		t.Errorf("%q", got)
	}
	if got := told(t, two, 3); !slices.Equal(got, []string{"a0", "c2", "a4"}) {
		t.Errorf("%q", got)
	}
	nothing(t, b, one)
}

// Next waits, and ends with its context, its subscription or its bus.
func TestEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := events.NewBus(0)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		closed := b.Subscribe("")
		results := make(chan error, 3)
		wait := func(ctx context.Context, s *events.Subscription) {
			_, err := s.Next(ctx)
			results <- err
		}
		go wait(ctx, b.Subscribe("", "x"))
		go wait(t.Context(), closed)
		go wait(t.Context(), b.Subscribe(""))
		synctest.Wait()
		cancel(gone)
		if err := <-results; !errors.Is(err, gone) {
			t.Errorf("%v, want the context's cause", err)
		}
		closed.Close()
		closed.Close()
		if err := <-results; !errors.Is(err, events.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
		if _, err := closed.Next(t.Context()); !errors.Is(err, events.ErrClosed) {
			t.Errorf("%v after Close", err)
		}
		synctest.Wait()
		b.Publish("n", 1)
		if err := <-results; err != nil {
			t.Error(err)
		}
	})
}

// What was published before the end of the bus is told, later events are not.
func TestCloseOfBus(t *testing.T) {
	t.Parallel()
	b := events.NewBus(0)
	s := b.Subscribe("")
	b.Publish("n", 1)
	b.Close()
	b.Close()
	b.Publish("n", 2)
	if got := told(t, s, 1); got[0] != "n1" {
		t.Errorf("%q", got)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, events.ErrClosed) {
		t.Errorf("%v, want ErrClosed", err)
	}
	(*events.Bus)(nil).Publish("n", 1)
}

// What cannot be marshalled leaves an event all the same; nothing is no data.
func TestData(t *testing.T) {
	t.Parallel()
	b := events.NewBus(0)
	s := b.Subscribe("")
	b.Publish("bad", func() {})
	b.Publish("none", nil)
	for range 2 {
		e := next(t, s)
		if e.Data != nil {
			t.Errorf("%+v, want no data", e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	}
}

// Many subscribers hear all events of many publishers, in one order.
func TestMany(t *testing.T) {
	t.Parallel()
	const subscribers, publishers, each = 200, 4, 250
	b := events.NewBus(publishers * each)
	heard := make([][]string, subscribers)
	var listening, publishing sync.WaitGroup
	for k := range heard {
		s := b.Subscribe("")
		listening.Go(func() {
			for {
				e, err := s.Next(t.Context())
				if err != nil {
					return
				}
				heard[k] = append(heard[k], e.ID+string(e.Data))
			}
		})
	}
	for k := range publishers {
		publishing.Go(func() {
			for n := range each {
				b.Publish("n", k*each+n)
			}
		})
	}
	publishing.Wait()
	b.Close()
	listening.Wait()
	for k := range heard {
		if len(heard[k]) != publishers*each || !slices.Equal(heard[k], heard[0]) {
			t.Fatalf("subscriber %d heard %d events, or in another order", k, len(heard[k]))
		}
	}
}

// An id comes from a client. Whatever it is, the client gets a reset or the events
// after it.
func FuzzSubscribe(f *testing.F) {
	b := events.NewBus(4)
	for n := range 6 {
		b.Publish("n", n)
	}
	epoch, _, _ := strings.Cut(b.Last(), "-")
	for _, id := range []string{"", "-", "1", "x-1", b.Last(), epoch + "-1", epoch + "-4", epoch + "-+4", epoch + "-18446744073709551615"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if id == "" || id == b.Last() {
			return // would wait
		}
		e := next(t, b.Subscribe(id))
		kept := slices.Contains([]string{epoch + "-2", epoch + "-3", epoch + "-4", epoch + "-5"}, id)
		if kept != (e.Type == "n") {
			t.Errorf("%+v after %q", e, id)
		}
	})
}

// Publishing while 200 clients wait.
func BenchmarkPublish(b *testing.B) {
	bus := events.NewBus(0)
	var listening sync.WaitGroup
	for range 200 {
		s := bus.Subscribe("")
		listening.Go(func() {
			for {
				if _, err := s.Next(b.Context()); err != nil {
					return
				}
			}
		})
	}
	for b.Loop() {
		bus.Publish("job", struct{ ID, State string }{"0123456789abcdef", "running"})
	}
	bus.Close()
	listening.Wait()
}
