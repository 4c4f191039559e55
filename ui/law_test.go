package ui_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
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

// The plain page lists what can be pulled, and says so when there is nothing.
func TestPage(t *testing.T) {
	t.Parallel()
	address := serve(t, ui.Options{})
	page := func() string {
		answer, err := http.Get("http://" + address + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		return string(text)
	}
	if text := page(); !strings.Contains(text, "nothing yet") {
		t.Errorf("the empty site's page: %s", text)
	}
	r, err := remote.New(remote.Options{Server: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := registrytest.NewFixture(t)
	if err := registry.Copy(t.Context(), r, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := page(); !strings.Contains(text, address+"/registry.example/team/app:v1\n") {
		t.Errorf("the page: %s", text)
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
