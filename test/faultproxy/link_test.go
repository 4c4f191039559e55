package faultproxy

import (
	"io"
	"sync"
	"testing"
	"time"
)

// A round trip for the connection and one for each answer.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	const roundTrip = 60 * time.Millisecond
	p := start(t, Options{Link: Link{RoundTrip: roundTrip}})
	c := client(t, p)
	for _, want := range []time.Duration{2 * roundTrip, roundTrip} {
		began := time.Now()
		answer := must(c.Do(request(t, "GET", p.URL()+"/v2/")))(t)
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if took := time.Since(began); took < want {
			t.Errorf("took %v, want %v", took, want)
		}
	}
	if n := p.Counts().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// The bandwidth is for all answers together.
func TestBandwidth(t *testing.T) {
	t.Parallel()
	const rate, readers = 4_000_000, 4
	p, layer := start(t, Options{}), noise(rate/readers/5)
	push(t, p, layer)
	p.SetLink(Link{BytesPerSecond: rate})
	began := time.Now()
	var all sync.WaitGroup
	for range readers {
		all.Go(func() { ask(t, p, "GET", blobURL(t, p, layer)) })
	}
	all.Wait()
	if took := time.Since(began); took < 180*time.Millisecond {
		t.Errorf("a fifth of a second's bytes took %v", took)
	}
}

// What the line was free for in the past cannot be made up for.
func TestBurst(t *testing.T) {
	t.Parallel()
	var l link
	l.set(Link{BytesPerSecond: 1000})
	if wait := l.reserve(100); wait < 90*time.Millisecond {
		t.Errorf("the first tenth waits %v", wait)
	}
	if wait := l.reserve(100); wait < 190*time.Millisecond {
		t.Errorf("the second tenth waits %v", wait)
	}
	l.set(Link{})
	if wait := l.reserve(1 << 30); wait != 0 {
		t.Errorf("waits %v without a limit", wait)
	}
}
