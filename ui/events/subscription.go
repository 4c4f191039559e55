package events

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
)

// Subscription is a place in the events of a bus. One goroutine asks it for the
// next one; Close may come from another.
type Subscription struct {
	bus    *Bus
	types  []string // empty: all
	next   uint64   // the event to look at next
	missed string   // why a reset is due
	ended  chan struct{}
	end    sync.Once
}

// Subscribe follows events of some types; without any, all. It begins with what
// came after the event of an id, or with what comes from now on when that is
// empty. When the id is of an earlier start, or what came after it is not kept any
// more, the first event is a reset.
func (b *Bus) Subscribe(after string, types ...string) *Subscription {
	s := &Subscription{bus: b, types: slices.Clone(types), ended: make(chan struct{})}
	b.mu.RLock()
	defer b.mu.RUnlock()
	s.next = b.next
	if after != "" {
		n, err := b.place(after)
		if err != nil {
			s.missed = err.Error()
		} else {
			s.next = n + 1
		}
	}
	return s
}

// Next waits for the next event. One that was forgotten before it was asked for is
// not left out silently: a reset comes first. After Close, of the subscription or
// of the bus, the error is ErrClosed.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		e, wake, err := s.look()
		if wake == nil || err != nil {
			return e, err
		}
		select {
		case <-wake:
		case <-s.ended:
			return Event{}, ErrClosed
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// look returns the next event that is there, or what to wait for.
func (s *Subscription) look() (e Event, wake <-chan struct{}, err error) {
	select {
	case <-s.ended:
		return Event{}, nil, ErrClosed
	default:
	}
	b := s.bus
	b.mu.RLock()
	defer b.mu.RUnlock()
	if s.next < b.first {
		s.missed = "the client was too slow, or away for too long"
	}
	if s.missed != "" {
		e = s.reset()
		s.missed, s.next = "", b.next
		return e, nil, nil
	}
	for ; s.next < b.next; s.next++ {
		if e := b.at(s.next); len(s.types) == 0 || slices.Contains(s.types, e.Type) {
			s.next++
			return *e, nil, nil
		}
	}
	if b.closed {
		return Event{}, nil, ErrClosed
	}
	return Event{}, b.wake, nil
}

// reset stands for all events up to now; the bus is locked.
func (s *Subscription) reset() Event {
	reason, _ := json.Marshal(map[string]string{"reason": s.missed})
	return Event{ID: s.bus.id(s.bus.next - 1), Type: Reset, At: now(), Data: reason}
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() { s.end.Do(func() { close(s.ended) }) }
