package ondemand

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
)

var _ engine.Upstream = (*Upstream)(nil)

func TestMain(m *testing.M) { leaktest.Main(m) }

// origin is an upstream: a registry over a store of its own, which counts what it is
// asked and can be held up.
type origin struct {
	t      *testing.T
	store  *store.Store
	server *httptest.Server
	seed   *rand.ChaCha8
	conns  atomic.Int64

	mu    sync.Mutex // protects the fields below
	asked map[string]int
	bytes map[string]int64
	holds map[string]*hold
	wrong map[string]func(http.ResponseWriter, *http.Request) // answers in place of the registry, by "METHOD last/two"
}

// hold stops an answer after some bytes.
type hold struct {
	after   int
	reached chan struct{} // closed when the bytes were sent
	release chan struct{} // close it to let the rest go
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	o := &origin{t: t, store: openStore(t, t.TempDir()), seed: rand.NewChaCha8([32]byte{1}), asked: map[string]int{}, bytes: map[string]int64{},
		holds: map[string]*hold{}, wrong: map[string]func(http.ResponseWriter, *http.Request){}}
	e := engine.New(o.store, engine.Options{})
	o.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.serve(w, r, e) }))
	o.server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			o.conns.Add(1)
		}
	}
	o.server.Start()
	t.Cleanup(func() {
		o.server.CloseClientConnections()
		o.server.Close()
		o.store.Close()
	})
	return o
}

// what is a request by its method and the end of its path.
func what(r *http.Request) string {
	elements := strings.Split(r.URL.Path, "/")
	return r.Method + " " + strings.Join(elements[max(0, len(elements)-2):], "/")
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request, e http.Handler) {
	o.mu.Lock()
	o.asked[what(r)]++
	h, wrong := o.holds[what(r)], o.wrong[what(r)]
	o.mu.Unlock()
	if wrong != nil {
		wrong(w, r)
		return
	}
	e.ServeHTTP(&counted{ResponseWriter: w, o: o, what: what(r), hold: h, ended: r.Context().Done()}, r)
}

// counted counts what is sent, and stops where it is held.
type counted struct {
	http.ResponseWriter
	o     *origin
	what  string
	sent  int
	hold  *hold
	ended <-chan struct{}
}

func (c *counted) Write(p []byte) (n int, err error) {
	if h := c.hold; h != nil && c.sent+len(p) > h.after {
		if n, err = c.count(p[:max(0, h.after-c.sent)]); err != nil {
			return n, err
		}
		http.NewResponseController(c.ResponseWriter).Flush()
		c.hold = nil
		close(h.reached)
		select {
		case <-h.release:
		case <-c.ended:
			panic(http.ErrAbortHandler)
		}
		p = p[n:]
	}
	more, err := c.count(p)
	return n + more, err
}

func (c *counted) count(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.sent += n
	c.o.mu.Lock()
	c.o.bytes[c.what] += int64(n)
	c.o.mu.Unlock()
	return n, err
}

// held stops the answer to the next such request after some bytes.
func (o *origin) held(what string, after int) *hold {
	h := &hold{after, make(chan struct{}), make(chan struct{})}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holds[what] = h
	return h
}

func (o *origin) free(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.holds, what)
}

func (o *origin) answers(what string, f func(http.ResponseWriter, *http.Request)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrong[what] = f
}

// times is how often something was asked.
func (o *origin) times(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[what]
}

func (o *origin) sent(what string) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes[what]
}

func (o *origin) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *origin) put(repository, mediaType string, content []byte) registry.Descriptor {
	o.t.Helper()
	d := registry.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	o.must(o.store.PutBlob(o.t.Context(), repository, d, bytes.NewReader(content)))
	return d
}

func (o *origin) layer(repository string, size int) registry.Descriptor {
	content := make([]byte, size)
	_, _ = o.seed.Read(content)
	return o.put(repository, ocispec.MediaTypeImageLayerGzip, content)
}

func (o *origin) manifest(ref registry.Ref, mediaType string, m any) registry.Descriptor {
	o.t.Helper()
	content, err := json.Marshal(m)
	o.must(err)
	d := registry.Describe(mediaType, content, digest.SHA256)
	if ref.Tag == "" {
		ref.Digest = d.Digest
	}
	o.must(o.store.PutManifest(o.t.Context(), ref, d, content))
	return d
}

// image makes an image of layers.
func (o *origin) image(repository, tag string, layers ...registry.Descriptor) registry.Descriptor {
	config := o.put(repository, ocispec.MediaTypeImageConfig, fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","seed":%d}`, o.seed.Uint64()))
	return o.manifest(registry.Ref{Repository: repository, Tag: tag}, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers})
}

// index makes an index of images.
func (o *origin) index(repository, tag string, images ...registry.Descriptor) registry.Descriptor {
	for i := range images {
		images[i].Platform = &registry.Platform{OS: "linux", Architecture: []string{"amd64", "arm64", "s390x"}[i]}
	}
	return o.manifest(registry.Ref{Repository: repository, Tag: tag}, ocispec.MediaTypeImageIndex, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: images})
}

// site is a store that is served with an Upstream.
type site struct {
	t      *testing.T
	dir    string
	store  *store.Store
	up     *Upstream
	remote *remote.Registry
	server *httptest.Server
	log    *bytes.Buffer
	mu     sync.Mutex // protects clock
	clock  time.Time
}

// The names of hosts in tests.
const (
	host = "registry.example"
	app  = host + "/team/app"
)

// mirrorYAML is a file with a mirror on demand of everything of a host.
func mirrorYAML(hosts map[string]string, mirrors string) string {
	text := "version: 1\nregistries:\n"
	for name, address := range hosts {
		text += "- {host: " + name + ", endpoints: [" + strconv.Quote(address) + "]}\n"
	}
	if mirrors == "" {
		mirrors = "- {name: all, source: " + host + "/**, onDemand: true}\n"
	}
	return text + "mirrors:\n" + mirrors
}

// newSite serves a site with the mirrors of a file; origins are found by its hosts.
func newSite(t *testing.T, dir, yaml string, opts Options) *site {
	t.Helper()
	cfg, err := config.Parse(dir+"/mirror.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, log: &bytes.Buffer{}, clock: time.Now()}
	s.store = openStore(t, dir)
	if s.remote, err = remote.New(remote.Options{Hosts: cfg.Hosts(), Keychain: nobody{}, Retries: 1}); err != nil {
		t.Fatal(err)
	}
	opts.Log = slog.New(slog.NewTextHandler(s.log, nil))
	s.up = New(cfg, s.store, s.remote, opts)
	s.up.now = func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.clock
	}
	s.server = httptest.NewServer(engine.New(s.store, engine.Options{Upstream: s.up, Log: opts.Log}))
	t.Cleanup(s.close)
	return s
}

// oneSite is a site with one origin, all of which comes on demand.
func oneSite(t *testing.T, o *origin, opts Options) *site {
	t.Helper()
	return newSite(t, t.TempDir(), mirrorYAML(map[string]string{host: o.server.URL}, ""), opts)
}

// nobody has credentials.
type nobody struct{}

func (nobody) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// close may be called more than once.
func (s *site) close() {
	if s.store == nil {
		return
	}
	http.DefaultClient.CloseIdleConnections()
	s.up.Close()
	s.server.Close()
	s.remote.Close()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
	s.store = nil
}

// later moves the clock on.
func (s *site) later(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

// settled waits until nothing is under way.
func (s *site) settled() { s.up.running.Wait() }

type answered struct {
	*http.Response
	body []byte
	err  error // of reading the body
}

func (a answered) digest() digest.Digest {
	return digest.Digest(a.Header.Get("Docker-Content-Digest"))
}

// open sends a request as containerd does: name is a full one, with its host in ns.
func (s *site) open(method, repository, rest string, headers ...string) *http.Response {
	s.t.Helper()
	ns, path, _ := strings.Cut(repository, "/")
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+"/v2/"+path+"/"+rest+"?ns="+ns, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func (s *site) do(method, repository, rest string, headers ...string) answered {
	s.t.Helper()
	resp := s.open(method, repository, rest, headers...)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answered{resp, content, err}
}

// want is do with a status that has to come.
func (s *site) want(status int, method, repository, rest string, headers ...string) answered {
	s.t.Helper()
	a := s.do(method, repository, rest, headers...)
	if a.StatusCode != status || a.err != nil {
		s.t.Fatalf("%s %s %s: %s %v\n%s\nwant %d", method, repository, rest, a.Status, a.err, a.body, status)
	}
	return a
}

// pull pulls a reference as containerd does, the n-th image of an index, and returns
// what the reference stands for.
func (s *site) pull(repository, reference string, n int) digest.Digest {
	s.t.Helper()
	root := s.want(200, "HEAD", repository, "manifests/"+reference).digest()
	a := s.want(200, "GET", repository, "manifests/"+root.String())
	m, err := registry.ParseManifest(a.Header.Get("Content-Type"), a.body)
	if err == nil && len(m.Children) > 0 {
		a = s.want(200, "GET", repository, "manifests/"+m.Children[n].Digest.String())
		m, err = registry.ParseManifest(a.Header.Get("Content-Type"), a.body)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, b := range m.Blobs {
		if got := s.want(200, "GET", repository, "blobs/"+b.Digest.String()); digest.FromBytes(got.body) != b.Digest {
			s.t.Errorf("blob %s has other bytes", b.Digest)
		}
	}
	return root
}

// stored is what the store itself has under a tag; empty for nothing.
func (s *site) stored(repository, tag string) digest.Digest {
	s.t.Helper()
	d, err := s.store.Resolve(s.t.Context(), registry.Ref{Repository: repository, Tag: tag})
	if err != nil {
		return ""
	}
	return d.Digest
}

// has reports whether the store itself has a manifest.
func (s *site) has(repository string, d registry.Descriptor) bool {
	s.t.Helper()
	ok, err := s.store.Exists(s.t.Context(), repository, d)
	if err != nil {
		s.t.Fatal(err)
	}
	return ok
}
