package mirror

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// upstream is a registry with a way there that can break.
type upstream struct {
	place // without faults
	*faultproxy.Proxy
	*window
	content content
}

// upstreamKinds are the registries that are mirrored from.
var upstreamKinds = []string{"distribution", "ggcr", "landfall"}

// newPlace is a registry of a kind.
func newPlace(t *testing.T, kind string) place {
	t.Helper()
	if kind != "ggcr" {
		return sharedPlace(t, kind)
	}
	s := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return place{strings.TrimPrefix(s.URL, "http://")}
}

// newUpstream is a registry of a kind that has content.
func newUpstream(t *testing.T, kind string, c content, options ...func(*faultproxy.Options)) *upstream {
	t.Helper()
	p := newPlace(t, kind)
	p.fill(t, c)
	return newWay(t, p, c, options...)
}

// newWay is one more way to a place.
func newWay(t *testing.T, p place, c content, options ...func(*faultproxy.Options)) *upstream {
	t.Helper()
	u := &upstream{place: p, window: newWindow(t, p), content: c}
	u.Proxy = startProxy(t, u.url, options...)
	return u
}

func startProxy(t *testing.T, upstream string, options ...func(*faultproxy.Options)) *faultproxy.Proxy {
	t.Helper()
	o := faultproxy.Options{Upstream: upstream}
	for _, set := range options {
		set(&o)
	}
	p, err := faultproxy.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// source is the full name of a repository.
func (u *upstream) source(repository string) string { return u.Host() + "/" + repository }

// blob is a rule's path to a blob.
func blob(content []byte) string { return "/blobs/" + digestOf(content) + "$" }

// manifest is a rule's path to what an image's tag or digest is asked for with.
func manifest(i image) string {
	return "/" + i.repository + "/manifests/(" + regexp.QuoteMeta(i.tag) + "|" + i.digest() + ")$"
}

// request is one that reached the upstream.
type request struct{ method, path, bytes string }

// window sees the requests that reach a registry, and holds some up.
type window struct {
	url string

	mu       sync.Mutex // protects the fields below
	requests []request
	held     []*hold
}

// hold is a request that waits.
type hold struct {
	path     *regexp.Regexp
	reached  chan struct{} // closed when the first one waits
	released chan struct{} // closed when they may go on
	once     sync.Once
}

func newWindow(t *testing.T, p place) *window {
	w := &window{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.host})
	direct := forward.Director                 //nolint:staticcheck // keeps the Host, unlike Rewrite
	forward.Director = func(r *http.Request) { //nolint:staticcheck // as above
		direct(r)
		r.Header["X-Forwarded-For"] = nil
	}
	forward.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.pass(r)
		forward.ServeHTTP(rw, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *window) pass(r *http.Request) {
	w.mu.Lock()
	w.requests = append(w.requests, request{r.Method, r.URL.Path, r.Header.Get("Range")})
	var waits *hold
	for _, h := range w.held {
		if h.path.MatchString(r.Method + " " + r.URL.Path) {
			waits = h
		}
	}
	w.mu.Unlock()
	if waits == nil {
		return
	}
	waits.once.Do(func() { close(waits.reached) })
	select {
	case <-waits.released:
	case <-r.Context().Done():
	}
}

// hold makes requests wait whose method and path match.
func (w *window) hold(t *testing.T, path string) *hold {
	t.Helper()
	h := &hold{path: regexp.MustCompile(path), reached: make(chan struct{}), released: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(w.held, h)
	return h
}

// ranges are the ranges that were asked for of a path.
func (w *window) ranges(path string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if found, _ := regexp.MatchString(path, r.path); found && r.bytes != "" {
			list = append(list, r.bytes)
		}
	}
	return list
}
