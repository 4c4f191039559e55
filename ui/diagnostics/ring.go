package diagnostics

import (
	"bytes"
	"sync"
)

// ringSize is what is kept of the log when nobody says how much, in bytes.
const ringSize = 2 << 20

// Ring keeps the last bytes that were written to it. A log that writes to a Ring
// and to its usual place, as io.MultiWriter does, is there for a bundle as it was
// written.
type Ring struct {
	mu   sync.Mutex // protects the fields below
	kept []byte     // in a circle once it is full
	next int        // where the oldest byte is, and the next comes
}

// NewRing makes a Ring of so many bytes; 2 MiB when 0.
func NewRing(size int) *Ring {
	if size == 0 {
		size = ringSize
	}
	return &Ring{kept: make([]byte, 0, size)}
}

// Write never fails.
func (r *Ring) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := len(p)
	p = p[max(0, len(p)-cap(r.kept)):]
	room := min(len(p), cap(r.kept)-len(r.kept))
	r.kept = append(r.kept, p[:room]...)
	for p = p[room:]; len(p) > 0; {
		n := copy(r.kept[r.next:], p)
		r.next = (r.next + n) % len(r.kept)
		p = p[n:]
	}
	return written, nil
}

// Bytes are the lines that are still whole, the oldest first.
func (r *Ring) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := append(bytes.Clone(r.kept[r.next:]), r.kept[:r.next]...)
	if len(kept) < cap(r.kept) {
		return kept
	}
	_, whole, _ := bytes.Cut(kept, []byte("\n")) // the first one may be cut
	return whole
}
