package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// cutting serves content and hangs up after step bytes of each answer.
type cutting struct {
	content   []byte
	step      int
	noRange   bool // answers 200 to Range
	badRange  bool // answers 206 with another range
	requests  atomic.Int64
	sent      atomic.Int64
	remaining func() // in place of hanging up
}

func (c *cutting) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !strings.Contains(req.URL.Path, "/blobs/") {
		return
	}
	c.requests.Add(1)
	from, status := 0, http.StatusOK
	if s, ok := strings.CutPrefix(req.Header.Get("Range"), "bytes="); ok && !c.noRange {
		s, _, _ = strings.Cut(s, "-")
		from, _ = strconv.Atoi(s)
		status = http.StatusPartialContent
		shown := from
		if c.badRange {
			shown++
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", shown, len(c.content)-1, len(c.content)))
	}
	rest := c.content[from:]
	w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
	w.WriteHeader(status)
	n := min(c.step, len(rest))
	c.sent.Add(int64(n)) // before the client can have them
	_, _ = w.Write(rest[:n])
	w.(http.Flusher).Flush()
	if n < len(rest) {
		if c.remaining != nil {
			c.remaining()
		}
		panic(http.ErrAbortHandler)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	h := &cutting{content: bytesOf(100_000), step: 30_000}
	r := openWith(t, h, Options{Retries: 2})
	got, err := registry.ReadBlob(t.Context(), r, app, blobOf(h.content))
	if err != nil || !bytes.Equal(got, h.content) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if h.requests.Load() != 4 || h.sent.Load() != 100_000 {
		t.Errorf("%d requests, %d bytes: want 4 and nothing twice", h.requests.Load(), h.sent.Load())
	}
}

// Without ranges the start comes again and is passed over; the second cut at
// the same place is no progress.
func TestResumeWithoutRange(t *testing.T) {
	t.Parallel()
	h := &cutting{content: bytesOf(100_000), step: 60_000, noRange: true}
	r := openWith(t, h, Options{Retries: 3})
	_, err := registry.ReadBlob(t.Context(), r, app, blobOf(h.content))
	wantError(t, err, registry.ErrUnreachable, "byte 60000 of 100000", blobOf(h.content).Digest.String())
	if h.requests.Load() != 4 {
		t.Errorf("%d requests, want the first and 3 without progress", h.requests.Load())
	}
	var calls atomic.Int64
	r = open(t, v2(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write(bytesOf(1000)[:min(calls.Add(1)*600, 1000)])
	}))
	if got, err := registry.ReadBlob(t.Context(), r, app, blobOf(bytesOf(1000))); err != nil || calls.Load() != 2 {
		t.Errorf("%d bytes in %d requests, %v", len(got), calls.Load(), err)
	}
}

func TestResumeOfAnotherRange(t *testing.T) {
	t.Parallel()
	h := &cutting{content: bytesOf(1000), step: 600, badRange: true}
	_, err := registry.ReadBlob(t.Context(), open(t, h), app, blobOf(h.content))
	wantError(t, err, registry.ErrSize, "Content-Range", "601")
}

func TestCutWithoutProgress(t *testing.T) {
	t.Parallel()
	h := &cutting{content: bytesOf(1000)}
	_, err := registry.ReadBlob(t.Context(), openWith(t, h, Options{Retries: 3}), app, blobOf(h.content))
	wantError(t, err, registry.ErrUnreachable, "byte 0 of 1000", "3 times", app)
	if h.requests.Load() != 3 {
		t.Errorf("%d requests, want 3", h.requests.Load())
	}
}

func TestStallInTheMiddle(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	h := &cutting{content: bytesOf(1000), step: 400, remaining: func() { <-over }}
	r := openWith(t, h, Options{Stall: 200 * time.Millisecond})
	t.Cleanup(func() { close(over) })
	if got, err := registry.ReadBlob(t.Context(), r, app, blobOf(h.content)); err != nil || h.sent.Load() != 1000 {
		t.Errorf("%d bytes of %d sent, %v", len(got), h.sent.Load(), err)
	}
}

func TestStallForever(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	h := &counter{Handler: v2(func(http.ResponseWriter, *http.Request) { <-over })}
	r := openWith(t, h, Options{Stall: 200 * time.Millisecond, Retries: 2})
	t.Cleanup(func() { close(over) })
	_, _, err := r.Manifest(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
	wantError(t, err, registry.ErrUnreachable, "no byte moved for 200ms", app+":v1")
	if h.count("GET /v2/registry") != 2 {
		t.Errorf("requests %q, want 2", h.seen)
	}
	content := bytesOf(1000)
	wantError(t, r.PutBlob(t.Context(), app, blobOf(content), reader(content)), registry.ErrUnreachable, "no byte moved")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestContentLengthLies(t *testing.T) {
	t.Parallel()
	content := bytesOf(1000)
	for name, served := range map[string][]byte{"more": bytesOf(1500), "less": content[:700]} {
		r := open(t, v2(func(w http.ResponseWriter, _ *http.Request) { w.Write(served) }))
		_, err := r.Blob(t.Context(), app, blobOf(content))
		wantError(t, err, registry.ErrSize, strconv.Itoa(len(served)), "1000")
		chunked := open(t, v2(func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(served)
		}))
		_, err = registry.ReadBlob(t.Context(), chunked, app, blobOf(content))
		wantError(t, err, registry.ErrSize, "1000")
		_ = name
	}
}

func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	content := bytesOf(1000)
	d := blobOf(content)
	flipped := bytes.Clone(content)
	flipped[999] ^= 1
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", registry.ManifestTypes[2])
		}
		if strings.HasSuffix(req.URL.Path, "/v1") {
			w.Header().Set("Docker-Content-Digest", d.Digest.String())
		}
		w.Write(flipped)
	}))
	_, err := registry.ReadBlob(t.Context(), r, app, d)
	wantError(t, err, registry.ErrDigest, d.Digest.String())
	for _, ref := range []registry.Ref{{Repository: app, Tag: "v1"}, {Repository: app, Digest: d.Digest}} {
		_, _, err = r.Manifest(t.Context(), ref)
		wantError(t, err, registry.ErrDigest, ref.String(), d.Digest.String())
	}
}

func TestPassingFailures(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 502, 503, 504} {
		var calls atomic.Int64
		content := bytesOf(100)
		h := v2(func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) < 3 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
				return
			}
			w.Write(content)
		})
		var waits []time.Duration
		r := openWith(t, h, Options{Retries: 3})
		r.pause = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
		if _, err := registry.ReadBlob(t.Context(), r, app, blobOf(content)); err != nil {
			t.Fatal(status, err)
		}
		if len(waits) != 2 || waits[0] != 7*time.Second || waits[1] != 7*time.Second {
			t.Errorf("%d: waited %v, want 7s twice", status, waits)
		}
	}
}

func TestLastingFailures(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		sentinel error
		requests int
	}{
		503: {registry.ErrUnreachable, 3}, 429: {registry.ErrUnreachable, 3}, 500: {registry.ErrUnreachable, 3},
		404: {registry.ErrNotFound, 1}, 403: {registry.ErrDenied, 1}, 401: {registry.ErrDenied, 1}, 507: {registry.ErrNoSpace, 1},
		413: {registry.ErrNoSpace, 1}, 400: {registry.ErrInvalid, 1}, 409: {registry.ErrConflict, 1},
	} {
		h := &counter{Handler: v2(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, `{"errors":[{"code":"SAID","message":"so it is"}]}`)
		})}
		r := openWith(t, h, Options{Retries: 3})
		_, err := r.Blob(t.Context(), app, blobOf(nil))
		wantError(t, err, want.sentinel, "SAID: so it is", strconv.Itoa(status), app)
		if n := h.count("GET /v2/registry"); n != want.requests {
			t.Errorf("%d: %d requests, want %d", status, n, want.requests)
		}
	}
}

// Whoever asks to be left alone for hours is not waited for.
func TestRetryAfterHours(t *testing.T) {
	t.Parallel()
	h := &counter{Handler: v2(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusTooManyRequests)
	})}
	_, err := open(t, h).Blob(t.Context(), app, blobOf(nil))
	wantError(t, err, registry.ErrUnreachable, "429")
	if h.count("GET /v2/registry") != 1 {
		t.Errorf("requests %q", h.seen)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	h := &cutting{content: bytesOf(1000), step: 400, remaining: func() { cancel(); <-over }}
	r := open(t, h)
	t.Cleanup(func() { close(over) })
	_, err := registry.ReadBlob(ctx, r, app, blobOf(h.content))
	if err == nil || ctx.Err() == nil {
		t.Fatal(err)
	}
	wantError(t, err, context.Canceled, app)
}

// A manifest that is cut is asked for again, whole.
func TestManifestCut(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	var calls atomic.Int64
	r := open(t, v2(func(w http.ResponseWriter, _ *http.Request) {
		content := f.Content[f.Tool.Digest]
		w.Header().Set("Content-Type", f.Tool.MediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		if calls.Add(1)%3 != 0 {
			content = content[:10]
		}
		w.Write(content)
	}))
	ref := registry.Ref{Repository: app, Tag: "v1"}
	if d, _, err := r.Manifest(t.Context(), ref); err != nil || d.Digest != f.Tool.Digest || calls.Load() != 3 {
		t.Errorf("%s after %d requests, %v", d.Digest, calls.Load(), err)
	}
	r.opts.Retries = 2
	_, _, err := r.Manifest(t.Context(), ref)
	wantError(t, err, registry.ErrUnreachable, "EOF", ref.String())
}

// A range may be answered in parts (RFC 9110, 14.2).
func TestRangeInParts(t *testing.T) {
	t.Parallel()
	content := bytesOf(1000)
	var calls atomic.Int64
	r := openWith(t, v2(func(w http.ResponseWriter, req *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Content-Length", "1000")
			w.Write(content[:100])
			return
		}
		var from int
		fmt.Sscanf(req.Header.Get("Range"), "bytes=%d-", &from)
		to := min(from+300, 1000)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/*", from, to-1))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[from:to])
	}), Options{Retries: 1})
	if got, err := registry.ReadBlob(t.Context(), r, app, blobOf(content)); err != nil || calls.Load() != 4 {
		t.Errorf("%d bytes in %d requests, %v", len(got), calls.Load(), err)
	}
}

// A registry whose blob is shorter than its descriptor has nothing to resume.
func TestNothingToResume(t *testing.T) {
	t.Parallel()
	content := bytesOf(1000)
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Length", "1000")
		w.Write(content[:600])
	}))
	_, err := registry.ReadBlob(t.Context(), r, app, blobOf(content))
	wantError(t, err, registry.ErrSize, "after byte 600", "1000")
}
