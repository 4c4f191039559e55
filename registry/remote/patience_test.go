package remote

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newWatch as watched makes it, with a stall of a minute.
func newWatch(t *testing.T) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &watch{cancel: cancel, ended: func() error { return context.Cause(ctx) }, stall: time.Minute}
	w.timer = time.AfterFunc(w.stall, w.expire)
	t.Cleanup(w.stop)
	return ctx, w
}

// slowly takes an hour for each read.
func slowly(r io.Reader) io.ReadCloser {
	return io.NopCloser(readerFunc(func(p []byte) (int, error) {
		time.Sleep(time.Hour)
		return r.Read(p)
	}))
}

// While a source takes its time nothing is held against the registry; once it
// has the bytes, it has to move them, and has longer to store them.
func TestSlowSourceIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, w := newWatch(t)
		const size = 10 * 60 * commitRate
		u := &uploadWatch{ReadCloser: slowly(strings.NewReader("abc")), watch: w, left: size, size: size}
		for range 3 {
			if _, err := u.Read(make([]byte, 1)); err != nil || ctx.Err() != nil {
				t.Fatal(err, context.Cause(ctx))
			}
		}
		u.left = 0
		u.Read(nil)
		time.Sleep(10 * time.Minute)
		if ctx.Err() != nil {
			t.Error("no time to store the upload:", context.Cause(ctx))
		}
		time.Sleep(2 * time.Minute)
		if !errors.Is(context.Cause(ctx), errStalled) {
			t.Error("a registry that never answers is waited for:", context.Cause(ctx))
		}
	})
}

// Time passes only while somebody waits for bytes.
func TestSlowReaderIsNoStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, w := newWatch(t)
		w.hold()
		b := &downloadBody{ReadCloser: io.NopCloser(strings.NewReader("abc")), watch: w}
		for range 3 {
			time.Sleep(time.Hour)
			if _, err := b.Read(make([]byte, 1)); err != nil || ctx.Err() != nil {
				t.Fatal(err, context.Cause(ctx))
			}
		}
		b.ReadCloser = slowly(strings.NewReader(""))
		b.Read(make([]byte, 1))
		if !errors.Is(context.Cause(ctx), errStalled) {
			t.Error("a stalled read is waited for:", context.Cause(ctx))
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Error(err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
