package ui_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui"
)

// The site, seen over its own protocol, keeps the law that the store keeps:
// client, engine and store are proven together.
func TestSiteLaw(t *testing.T) {
	t.Parallel()
	registrytest.Run(t, func(t *testing.T) registrytest.Registry {
		r, err := remote.New(remote.Options{Server: "http://" + serve(t, ui.Options{})})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	})
}

// Without the Local UI, a page says how it is built and what is there; nothing is
// listed, and nothing else is a page.
func TestPage(t *testing.T) {
	t.Parallel()
	address := serve(t, ui.Options{})
	for path, status := range map[string]int{"/": 200, "/setup": 404, "/debug/pprof/": 404, "/dist/": 404, "/../etc/passwd": 404, "/api/v1/jobs": 404} {
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Skip("the Local UI is in this binary")
		}
		if err != nil || answer.StatusCode != status || !strings.Contains(string(text), "make ui") ||
			!strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %s %v, %v: %s", path, answer.Status, answer.Header, err, text)
		}
	}
	answer, err := http.Post("http://"+address+"/", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Error(answer.Status)
	}
}

// serve starts a site on a free port until the test ends.
func serve(t *testing.T, opts ui.Options) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, opts)
	return l.Addr().String()
}

// serveOn starts a site until the test ends.
func serveOn(t *testing.T, l net.Listener, opts ui.Options) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ui.NewServer(s, opts).Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
