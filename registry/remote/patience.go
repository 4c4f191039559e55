package remote

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// How long to wait between attempts: doubling from the first, with jitter so
// that transfers that failed together do not come back together.
const (
	firstPause = 250 * time.Millisecond
	longPause  = 10 * time.Second
	// maxRetryAfter is the longest that a registry may ask to be left alone
	// for; whoever asks for more is unreachable for now.
	maxRetryAfter = 5 * time.Minute
)

// commitRate, in bytes a second, is what a registry must at least manage when
// it stores an upload before it answers: no byte moves while it does.
const commitRate = 16 << 20

var errStalled = errors.New("no byte moved")

type (
	onceKey    struct{}
	brieflyKey struct{}
)

// once marks requests that must not be repeated as they are: what the
// registry made of the first attempt is not known.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// Briefly is a context for requests that have another way out: each is tried twice
// at most.
func Briefly(ctx context.Context) context.Context { return context.WithValue(ctx, brieflyKey{}, true) }

// briefRetries is how many attempts an endpoint gets before the next is tried.
const briefRetries = 2

// patient sends a request until it is answered by something other than a
// passing failure. It lies below authentication, so that asking for a token is
// as patient as the rest.
func (h *host) patient(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	retries := h.registry.opts.Retries
	if ctx.Value(brieflyKey{}) != nil {
		retries = min(retries, briefRetries)
	}
	for attempt := 1; ; attempt++ {
		resp, err := h.watched(req)
		again := passing(resp, err) && ctx.Err() == nil && ctx.Value(onceKey{}) == nil
		wait, ok := retryAfter(resp, attempt)
		if !again || !ok || attempt >= retries {
			return resp, err
		}
		if resp != nil {
			drain(resp.Body)
		}
		if err := h.registry.pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// passing reports whether the same request may well succeed in a while.
func passing(resp *http.Response, err error) bool {
	if err != nil {
		var record tls.RecordHeaderError
		var certificate *tls.CertificateVerificationError
		return !errors.As(err, &record) && !errors.As(err, &certificate) && !errors.Is(err, http.ErrSchemeMismatch)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is how long to wait after an attempt (RFC 9110, 10.2.3), and
// whether that is worth it.
func retryAfter(resp *http.Response, attempt int) (time.Duration, bool) {
	wait := min(firstPause<<min(attempt-1, 10), longPause)
	wait = wait/2 + rand.N(wait/2)
	if resp == nil {
		return wait, true
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds > 0 {
		wait = min(time.Duration(seconds), 1+maxRetryAfter/time.Second) * time.Second
	} else if date, err := http.ParseTime(after); err == nil {
		wait = max(wait, time.Until(date))
	}
	return wait, wait <= maxRetryAfter
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// drain lets the connection of an answer that nobody wants be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxErrorBody)
	body.Close()
}

// watched sends a request once, and breaks it off when nothing moves.
func (h *host) watched(req *http.Request) (*http.Response, error) {
	if err := h.limits.request(req.Context()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{cancel: cancel, ended: func() error { return context.Cause(ctx) }, stall: h.stall}
	w.limits, w.waits = h.limits, func(n int) error { return h.limits.moved(ctx, n) }
	w.timer = time.AfterFunc(w.stall, w.expire)
	out := req.Clone(ctx)
	if err := w.upload(req, out); err != nil {
		w.stop()
		return nil, err
	}
	resp, err := h.transport.RoundTrip(out)
	w.hold()
	if err != nil {
		err = w.cause(err)
		w.stop()
		return nil, err
	}
	resp.Body = &downloadBody{ReadCloser: resp.Body, watch: w}
	return resp, nil
}

// watch cancels a request when the timer is not set back in time.
type watch struct {
	cancel context.CancelCauseFunc
	ended  func() error // why the request was broken off; nil when it was not
	stall  time.Duration
	limits limits
	waits  func(n int) error // until so many bytes more are allowed; nil: not at all

	mu    sync.Mutex // protects the fields below: uploading and reading the answer may overlap
	timer *time.Timer
	over  bool // the upload no longer counts: the answer is there
}

func (w *watch) expire() { w.cancel(fmt.Errorf("%w for %s", errStalled, w.stall)) }

// hold stops the timer: nothing is owed by the other side.
func (w *watch) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

// moved is told of bytes, and waits while they were too many.
func (w *watch) moved(n int) error {
	if w.waits == nil {
		return nil
	}
	return w.waits(n)
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// cause is why a request ended, in the words of who ended it.
func (w *watch) cause(err error) error { return cmp.Or(w.ended(), err) }

// upload gives out a fresh body for each attempt: go-containerregistry sends
// a request again after renewing its token, and http.Transport after a
// connection turned out to be dead, without winding the body back.
func (w *watch) upload(req, out *http.Request) (err error) {
	if req.GetBody == nil {
		return nil
	}
	out.GetBody = func() (io.ReadCloser, error) {
		body, err := req.GetBody()
		return &uploadWatch{ReadCloser: body, watch: w, left: req.ContentLength, size: req.ContentLength}, err
	}
	out.Body, err = out.GetBody()
	return err
}

// uploadWatch counts only the time that the registry takes: while the next
// bytes are read from their source the timer rests.
type uploadWatch struct {
	io.ReadCloser
	watch      *watch
	left, size int64
}

func (u *uploadWatch) Read(p []byte) (int, error) {
	u.set((*time.Timer).Stop)
	n, err := u.ReadCloser.Read(u.watch.limits.most(p))
	if waited := u.watch.moved(n); err == nil {
		err = waited
	}
	u.left -= int64(n)
	patience := u.watch.stall
	if u.left <= 0 {
		patience += time.Duration(u.size/commitRate) * time.Second
	}
	u.set(func(t *time.Timer) bool { return t.Reset(patience) })
	return n, err
}

func (u *uploadWatch) set(timer func(*time.Timer) bool) {
	u.watch.mu.Lock()
	defer u.watch.mu.Unlock()
	if !u.watch.over {
		timer(u.watch.timer)
	}
}

// downloadBody runs the timer only while somebody waits for bytes: a slow
// destination is not a stalled source.
type downloadBody struct {
	io.ReadCloser
	watch *watch
}

func (b *downloadBody) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.stall)
	n, err := b.ReadCloser.Read(b.watch.limits.most(p))
	b.watch.timer.Stop()
	if waited := b.watch.moved(n); err == nil {
		err = waited
	}
	if err != nil && err != io.EOF {
		err = b.watch.cause(err)
	}
	return n, err
}

func (b *downloadBody) Close() error {
	b.watch.stop()
	return b.ReadCloser.Close()
}
