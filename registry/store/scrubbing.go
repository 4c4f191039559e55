package store

import (
	"context"
	"sync"
)

// scrubbing is who scrubs, and how far that is.
type scrubbing struct {
	turn sync.Mutex // held by the scrub that runs

	mu      sync.Mutex // protects the fields below
	cancel  context.CancelCauseFunc
	pass    pass
	running bool
}

// takeOver ends the scrub that runs and waits until it has. done must be called.
func (s *scrubbing) takeOver(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	if s.cancel != nil {
		s.cancel(errScrubTaken)
	}
	s.cancel = cancel
	s.mu.Unlock()
	s.turn.Lock()
	return ctx, func() {
		s.turn.Unlock()
		cancel(nil)
	}
}

func (s *scrubbing) set(p pass, running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass, s.running = p, running
}

// resume says how far the pass was when the store was opened.
func (s *scrubbing) resume(p pass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pass.Started.IsZero() {
		s.pass = p
	}
}

func (s *scrubbing) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

func (s *scrubbing) get() ScrubProgress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pass
	return ScrubProgress{Running: s.running, Started: p.Started, Finished: p.Finished, Blobs: p.Blobs, Bytes: p.Bytes, Damaged: p.Damaged}
}
