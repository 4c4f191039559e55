package media_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/trust"
)

// watched is a watcher at work.
type watched struct {
	*media.Watcher
	t *testing.T

	mu     sync.Mutex
	events []media.Event
	more   chan struct{} // of one
}

// watch starts a watcher, which the test's end ends.
func watch(t *testing.T, options media.Options) *watched {
	t.Helper()
	w := &watched{t: t, more: make(chan struct{}, 1)}
	options.Tell = func(e media.Event) {
		w.mu.Lock()
		w.events = append(w.events, e)
		w.mu.Unlock()
		select {
		case w.more <- struct{}{}:
		default:
		}
	}
	w.Watcher = media.New(options)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Keep(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return w
}

// next waits for an event that is wanted, and passes over all before it.
func (w *watched) next(what string, want func(media.Event) bool) media.Event {
	w.t.Helper()
	var passed []media.Event
	late := time.After(time.Minute)
	for {
		w.mu.Lock()
		i := slices.IndexFunc(w.events, want)
		if i >= 0 {
			e := w.events[i]
			w.events = w.events[i+1:]
			w.mu.Unlock()
			return e
		}
		passed = append(passed, w.events...)
		w.events = nil
		w.mu.Unlock()
		select {
		case <-w.more:
		case <-late:
			text, _ := json.MarshalIndent(passed, "", " ")
			w.t.Fatalf("no event: %s; instead: %s", what, text)
		}
	}
}

// of waits for an event of a kind.
func (w *watched) of(kind media.Kind) media.Drive {
	w.t.Helper()
	e := w.next(string(kind), func(e media.Event) bool { return e.Kind == kind })
	if e.Drive == nil {
		return media.Drive{}
	}
	return *e.Drive
}

// seen counts the events of a kind that nobody has asked for yet.
func (w *watched) seen(kind media.Kind) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func names(d media.Drive) (list []string) {
	for _, c := range d.Candidates {
		list = append(list, c.Name)
	}
	return list
}

func candidate(t *testing.T, d media.Drive, name string) media.Candidate {
	t.Helper()
	for _, c := range d.Candidates {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no %q among %q of %+v", name, names(d), d)
	return media.Candidate{}
}

// newBundle makes a signed bundle, and returns its file and what signed it.
func newBundle(t testing.TB) (path, signer string) {
	t.Helper()
	f := registrytest.NewFixture(t)
	key, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "site.bundle")
	opts := bundle.CreateOptions{Channel: "stable", Sequence: 7, Keys: []*trust.PrivateKey{key}}
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, opts, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	return path, key.ID()
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// write writes a file and the folders above it.
func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// proven reads a candidate whole, as a bundle.
func (w *watched) proven(d media.Drive, name string) {
	w.t.Helper()
	f, err := w.Open(w.t.Context(), d.ID, candidate(w.t, d, name).ID, "a test")
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	r, err := bundle.NewReader(f.Name(), f, f.Size())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Verify(w.t.Context(), nil); err != nil {
		w.t.Error(err)
	}
}

// need ends the test when it cannot run here.
func need(t testing.TB, what string, ok bool) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatal("this test needs " + what)
	default:
		t.Skip("this test needs " + what)
	}
}

func needProgram(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		need(t, name, err == nil)
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
	return string(out)
}
