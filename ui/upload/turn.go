package upload

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// turn is somebody's right to change an upload: one at a time has it. Who comes next
// makes the holder let go, which may well be a request whose client is gone.
type turn struct {
	stop  func(cause error)
	ended chan struct{}
}

// patience is how long the next one waits for the holder to let go: as long as a
// slow disk takes for a sync.
const patience = 10 * time.Second

// take waits for the turn of an upload. stop has to make the holder release it; it
// is not called after that, nor when nil.
func (u *Uploads) take(ctx context.Context, id string, stop func(cause error)) (release func(), err error) {
	if stop == nil {
		stop = func(error) {}
	}
	mine := &turn{stop, make(chan struct{})}
	expired := time.NewTimer(patience)
	defer expired.Stop()
	for {
		holder, err := u.tryTake(id, mine)
		if err != nil {
			return nil, err
		}
		if holder == nil {
			return func() { u.release(id, mine) }, nil
		}
		select {
		case <-holder.ended:
		case <-expired.C:
			return nil, errLocked
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tryTake takes the turn, or asks who has it to let go.
func (u *Uploads) tryTake(id string, mine *turn) (holder *turn, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, errClosing
	}
	if holder := u.turns[id]; holder != nil {
		holder.stop(errTakeOver)
		return holder, nil
	}
	u.turns[id] = mine
	return nil, nil
}

func (u *Uploads) release(id string, t *turn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.turns, id)
	close(t.ended)
}

// admit counts a request that receives; errBusy when there are too many.
func (u *Uploads) admit(owner string) (leave func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.total >= u.options.MaxActive || u.active[owner] >= u.options.MaxActiveByOwner {
		return nil, errBusy
	}
	u.total++
	u.active[owner]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.total--
		if u.active[owner]--; u.active[owner] == 0 {
			delete(u.active, owner)
		}
	}, nil
}

// drain is how long a body that has to end may take what has come already.
const drain = 100 * time.Millisecond

// minIdleBytes is how many bytes have to come within Options.Idle.
const minIdleBytes = 4 << 10

// body is a request's body that is broken off when it stalls, trickles, or is told
// to end.
type body struct {
	source  io.Reader
	control *http.ResponseController
	idle    time.Duration
	left    int64 // bytes that the upload still takes

	mu      sync.Mutex // protects the fields below, and the order of deadlines
	stopped error      // what it is to end with
	until   time.Time  // when stopped
	renewed time.Time
	since   int // bytes that came after renewed
}

func newBody(w http.ResponseWriter, r *http.Request, idle time.Duration) *body {
	b := &body{source: r.Body, control: http.NewResponseController(w), idle: idle}
	b.renew(time.Now())
	return b
}

// renew lets the body go on for a while. Servers that cannot set deadlines have
// their own.
func (b *body) renew(now time.Time) {
	b.renewed, b.since = now, 0
	_ = b.control.SetReadDeadline(now.Add(b.idle))
}

// end lets what follows the body take its time.
func (b *body) end() { _ = b.control.SetReadDeadline(time.Time{}) }

// stop makes reading end with the cause. Bytes that have come already, of a connection
// that is dead maybe, are taken before.
func (b *body) stop(cause error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped == nil {
		b.until = time.Now().Add(drain)
		_ = b.control.SetReadDeadline(b.until)
	}
	b.stopped = cause
}

// Read implements io.Reader. More bytes than are left are errTooLong.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		p = p[:1] // is there an end?
	} else if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.source.Read(p)
	if b.left == 0 && n > 0 {
		return 0, errTooLong
	}
	b.left -= int64(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since += n
	now := time.Now()
	switch {
	case b.stopped != nil && (now.After(b.until) || errors.Is(err, os.ErrDeadlineExceeded)):
		return n, b.stopped
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errStalled
	case err == nil && b.stopped == nil && b.since >= minIdleBytes && now.Sub(b.renewed) > b.idle/4:
		b.renew(now)
	case err == nil:
	case !errors.Is(err, io.EOF):
		err = errCutOff
	}
	return n, err
}
