// Package password hashes what people know, and says what is too easy to guess.
// It keeps nothing: hashes are PHC strings that the caller stores. How often
// somebody may guess is not decided here.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
)

// ErrBusy says that more passwords are being checked than the machine shall work
// at.
var ErrBusy = errors.New("too many passwords are being checked at once")

const (
	width   = 2  // hashes that are computed at once, so that logins do not eat the memory
	waiting = 64 // more than these are refused
)

// Hasher computes hashes, two at a time.
type Hasher struct {
	params   Params
	decoy    hash
	slots    chan struct{}
	queued   atomic.Int64
	computed atomic.Int64
}

// NewHasher makes hashes that cost p; the zero Params are Default.
func NewHasher(p Params) *Hasher {
	if p == (Params{}) {
		p = Default
	}
	return &Hasher{params: p, decoy: hash{p, random(16), random(32)}, slots: make(chan struct{}, width)}
}

// random cannot fail: crypto/rand ends the program before.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Hash makes a password's PHC string. ErrBusy when too many wait already.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	made := hash{h.params, random(16), nil}
	var err error
	if made.key, err = h.compute(ctx, made.Params, made.salt, password); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify says whether a password is that of a PHC string, and whether that should
// be made anew since it has other costs. The empty string is nobody's password;
// it takes as long to find that out as a wrong one. ErrBusy when too many wait.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (right, stale bool, err error) {
	stored := h.decoy
	if phc != "" {
		if stored, err = parse(phc); err != nil {
			return false, false, err
		}
	}
	key, err := h.compute(ctx, stored.Params, stored.salt, password)
	if err != nil {
		return false, false, err
	}
	right = subtle.ConstantTimeCompare(key, stored.key) == 1 && phc != ""
	return right, stored.Params != h.params, nil
}

// Computed is how many hashes were computed so far.
func (h *Hasher) Computed() int64 { return h.computed.Load() }

func (h *Hasher) compute(ctx context.Context, p Params, salt []byte, password string) ([]byte, error) {
	if h.queued.Add(1) > waiting+width {
		h.queued.Add(-1)
		return nil, ErrBusy
	}
	defer h.leave()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-h.slots }()
	h.computed.Add(1)
	return argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, 32), nil
}

// leave gives back the memory of hashes after the last one. The runtime would keep
// it for some minutes, and a quiet appliance uses less than that is.
func (h *Hasher) leave() {
	if h.queued.Add(-1) == 0 {
		debug.FreeOSMemory()
	}
}

// Occupy takes all places until release is called, for tests of who has to wait.
func (h *Hasher) Occupy() (release func()) {
	h.queued.Add(waiting + width)
	return func() { h.queued.Add(-waiting - width) }
}
