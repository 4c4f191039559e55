package events

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultKeep = 4096
	keepBytes   = 16 << 20 // of data: few large events end before many small ones
)

// ErrClosed says that a subscription or its bus has ended.
var ErrClosed = errors.New("no more events")

// Bus hands events to who is there. A nil Bus tells nobody.
type Bus struct {
	epoch string

	mu     sync.RWMutex  // protects all below
	ring   []Event       // event n is at n modulo its length
	first  uint64        // the oldest event that is kept
	next   uint64        // the event that comes next; ids begin at 1
	bytes  int           // of data that is kept
	wake   chan struct{} // closed when the next event comes
	closed bool
}

// NewBus makes a bus that keeps so many events for who comes back; 4096 when 0.
func NewBus(keep int) *Bus {
	if keep <= 0 {
		keep = defaultKeep
	}
	epoch := make([]byte, 8)
	_, _ = rand.Read(epoch) // never fails
	return &Bus{epoch: hex.EncodeToString(epoch), ring: make([]Event, keep), first: 1, next: 1, wake: make(chan struct{})}
}

// Publish tells all subscribers; it never waits for one. The data is marshalled
// at once. Data that cannot be leaves an event without any.
func (b *Bus) Publish(kind string, data any) {
	if b == nil {
		return
	}
	content, err := json.Marshal(data)
	if err != nil || data == nil {
		content = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.next-b.first == uint64(len(b.ring)) {
		b.forget()
	}
	*b.at(b.next) = Event{ID: b.id(b.next), Type: kind, At: now(), Data: content}
	b.next++
	for b.bytes += len(content); b.bytes > keepBytes && b.next-b.first > 1; {
		b.forget()
	}
	close(b.wake)
	b.wake = make(chan struct{})
}

// forget takes out the oldest event; mu is held.
func (b *Bus) forget() {
	e := b.at(b.first)
	b.bytes -= len(e.Data)
	*e = Event{}
	b.first++
}

func (b *Bus) at(n uint64) *Event { return &b.ring[n%uint64(len(b.ring))] }

func (b *Bus) id(n uint64) string { return b.epoch + "-" + strconv.FormatUint(n, 10) }

// Close ends all subscriptions, after what was published before. What is
// published later is not told.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.wake)
	}
}

// Last is the id of the last event so far: who subscribes after it hears all that
// follows.
func (b *Bus) Last() string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.id(b.next - 1)
}

// place is the number of the event of an id; an error says why it is none.
func (b *Bus) place(id string) (uint64, error) {
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	switch {
	case err != nil || strconv.FormatUint(n, 10) != number:
		return 0, fmt.Errorf("%q is no id of an event", id)
	case epoch != b.epoch || n >= b.next:
		return 0, errors.New("the appliance has started anew")
	}
	return n, nil
}

func now() time.Time { return time.Now().UTC() }
