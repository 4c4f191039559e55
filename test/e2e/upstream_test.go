package e2e

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// upstream is a registry on loopback. It keeps one registry per host name that
// it is asked by, so that quay.io/x and docker.io/x differ.
type upstream struct {
	address string // "127.0.0.1:41234"
	server  *httptest.Server
	mu      sync.Mutex // protects byHost
	byHost  map[string]http.Handler
}

// newUpstream listens on any port.
func newUpstream(t *testing.T) *upstream { return listenUpstream(t, "127.0.0.1:0") }

// newNamedUpstream answers to the upstreams' original names, over plain HTTP.
func newNamedUpstream(t *testing.T) *upstream { return listenUpstream(t, "127.0.0.1:80") }

func listenUpstream(t *testing.T, address string) *upstream {
	t.Helper()
	u := &upstream{byHost: map[string]http.Handler{}}
	u.server = httptest.NewUnstartedServer(u)
	u.server.Listener = must(net.Listen("tcp", address))(t)
	u.server.Start()
	u.address = u.server.Listener.Addr().String()
	t.Cleanup(u.close)
	return u
}

func (u *upstream) close() { u.server.Close() }

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.registry(r.Host).ServeHTTP(w, r)
}

func (u *upstream) registry(host string) http.Handler {
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = "docker.io"
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byHost[host] == nil {
		u.byHost[host] = registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	}
	return u.byHost[host]
}

// tripwire listens where original names lead and fails the test when anything
// connects.
func tripwire(t *testing.T) {
	t.Helper()
	var dialled atomic.Int64
	var wait sync.WaitGroup
	for _, address := range []string{"127.0.0.1:80", "127.0.0.1:443"} {
		listener := must(net.Listen("tcp", address))(t)
		wait.Go(func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				dialled.Add(1)
				_ = conn.Close()
			}
		})
		t.Cleanup(func() { _ = listener.Close() })
	}
	t.Cleanup(func() {
		if n := dialled.Load(); n > 0 {
			t.Errorf("the outside was dialled %d times", n)
		}
	})
}
