package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	leaktest.Main(m)
}

// manager is a service manager's socket. Environment variables belong to the
// process, so that the tests that have one do not run in parallel.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// next is the next message, whenever it comes.
func (m *manager) next() string {
	m.t.Helper()
	buf := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	k, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:k])
}

func (m *manager) want(list ...string) {
	m.t.Helper()
	for _, want := range list {
		if got := m.next(); got != want {
			m.t.Errorf("%q; want %q", got, want)
		}
	}
}

// wantReloading is Reloading's message: the time in it tells reloads apart.
func (m *manager) wantReloading() {
	m.t.Helper()
	got := m.next()
	at, ok := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
	if usec, err := strconv.ParseInt(at, 10, 64); !ok || err != nil || usec <= 0 {
		m.t.Errorf("%q", got)
	}
}

func TestNotifier(t *testing.T) {
	m := newManager(t)
	n := New(nil)
	defer n.Close()
	n.Status("serving %d names", 7)
	n.Ready()
	n.Reloading()
	n.Ready()
	n.Status("two\nlines\nWATCHDOG=trigger")
	n.Stopping()
	m.want("STATUS=serving 7 names", "READY=1")
	m.wantReloading()
	m.want("READY=1", "STATUS=two lines WATCHDOG=trigger", "STOPPING=1")
}

// Outside systemd, and where its socket is gone, everything goes on.
func TestNobodyListens(t *testing.T) {
	for _, path := range []string{"", filepath.Join(t.TempDir(), "gone")} {
		t.Setenv("NOTIFY_SOCKET", path)
		t.Setenv("WATCHDOG_USEC", "")
		n := New(nil)
		n.Ready()
		n.Status("x")
		n.Watch(t.Context(), func(context.Context) error { t.Error("nobody watches"); return nil })
		n.Close()
	}
}

// The watchdog of another process, or one whose time is nonsense, is none.
func TestForeignWatchdog(t *testing.T) {
	n := New(nil)
	defer n.Close()
	for _, env := range [][2]string{{"1000000", "1"}, {"-5", ""}, {"soon", ""}} {
		t.Setenv("WATCHDOG_USEC", env[0])
		t.Setenv("WATCHDOG_PID", env[1])
		n.Watch(t.Context(), func(context.Context) error { t.Error("nobody watches"); return nil })
	}
}

// The watchdog's time comes from the environment, and the first sign of life at once.
func TestWatch(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(time.Hour.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	n := New(nil)
	defer n.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Watch(ctx, func(ctx context.Context) error {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Hour/4 {
				t.Errorf("to be answered by %s", at)
			}
			return nil
		})
	}()
	m.want("WATCHDOG=1")
	stop()
	<-ended
}

// A sign of life at half the watchdog's time, none while the store does not answer,
// another look soon after a failure, and signs again when it is over.
func TestWatchTimes(t *testing.T) {
	m := newManager(t)
	n := New(nil)
	defer n.Close()
	n.Status("serving")
	const every = 15 * time.Second
	var calls []time.Duration
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		begun := time.Now()
		n.watch(ctx, every, func(ctx context.Context) error {
			calls = append(calls, time.Since(begun))
			switch len(calls) {
			case 2:
				<-ctx.Done() // a store that does not answer
				return errors.New("the query was cut")
			case 3:
				return errors.New("disk error")
			case 4:
				time.Sleep(every / 3) // slow is no failure, and moves nothing
			case 6:
				stop()
			}
			return nil
		})
	})
	m.want("STATUS=serving", "WATCHDOG=1", "STATUS=not healthy: no answer within 7.5s (the query was cut)", "STATUS=not healthy: disk error",
		"WATCHDOG=1", "STATUS=serving", "WATCHDOG=1")
	const cut = every + every/2 + every/sooner // when it looks again after the answer that did not come
	want := []time.Duration{0, every, cut, cut + every/sooner, cut + every/sooner + every, cut + every/sooner + 2*every}
	if !slices.Equal(calls, want) {
		t.Errorf("looked after %v; want %v", calls, want)
	}
}

// Reloads come one after the other, also after a failure; a signal that came before
// anybody could reload is not lost.
func TestReload(t *testing.T) {
	m := newManager(t)
	n := New(nil)
	defer n.Close()
	n.Status("serving")
	hangUp := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for len(n.hangups) == 0 {
			time.Sleep(time.Millisecond) // the runtime hands signals on when it likes
		}
	}
	begun, results := make(chan struct{}), make(chan error)
	hangUp()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Reload(ctx, func(context.Context) error {
			begun <- struct{}{}
			return <-results
		})
	}()
	m.want("STATUS=serving")
	m.wantReloading()
	<-begun
	hangUp()
	select {
	case n.hangups <- syscall.SIGHUP:
		t.Error("room for more than one reload")
	default:
	}
	results <- errors.New("line 3: no such key")
	m.want("STATUS=the configuration was not reloaded: line 3: no such key", "READY=1")
	m.wantReloading()
	<-begun
	results <- nil
	m.want("STATUS=serving", "READY=1")
	stop()
	<-ended
}

func ExampleNotifier() {
	n := New(nil)
	defer n.Close()
	n.Status("serving at %s", "https://edge1:5443")
	n.Ready()
	defer n.Stopping()
	fmt.Println("serving")
	// Output: serving
}
