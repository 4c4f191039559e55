package api_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// place is a real store with the fixture's content, and its API over HTTP.
type place struct {
	*registrytest.Fixture
	t      *testing.T
	dir    string
	store  *store.Store
	server *httptest.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{Fixture: registrytest.NewFixture(t), t: t, dir: t.TempDir()}
	var err error
	if p.store, err = store.Open(t.Context(), p.dir, store.Options{Lease: 1}); err != nil {
		t.Fatal(err)
	}
	if err := registry.Copy(t.Context(), p.store, p.Fixture, p.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	pool, err := jobs.New(t.Context(), p.store, jobs.Options{Describe: api.DescribeFailure})
	if err != nil {
		t.Fatal(err)
	}
	chores.Register(pool, p.store, t.TempDir())
	keeping, stop := context.WithCancel(context.Background())
	var kept sync.WaitGroup
	kept.Go(func() { pool.Keep(keeping) })
	p.server = httptest.NewServer(api.New(api.Options{Site: p.store, Jobs: pool}))
	t.Cleanup(func() {
		p.server.Close()
		stop()
		kept.Wait()
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func newClient(t *testing.T, opts api.ClientOptions) *api.Client {
	t.Helper()
	c, err := api.NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// damage changes a blob on the disk.
func (p *place) damage(d digest.Digest) {
	p.t.Helper()
	path := filepath.Join(p.dir, "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded())
	content := bytes.Clone(p.Content[d])
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// request sends one and returns status and body; headers alternate.
func (p *place) request(method, path, body string, headers ...string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.server.URL+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := p.server.Client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(content)
}

const nothing = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// Every endpoint answers with its status and kind of error.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	pin := `{"repository":"` + registrytest.App + `","tag":"v1","owner":"op","reason":"because"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"POST", "content/scrub", `{}`, 202, `"kind":"scrub"`},
		{"POST", "content/scrub", `{"fresh":true,"rate":1000000}`, 202, `"state":"queued"`},
		{"POST", "content/scrub", ``, 400, `"kind":"invalid"`},
		{"POST", "content/scrub", `{"slow":true}`, 422, `"location":"body.slow"`},
		{"POST", "content/scrub", `{"rate":"x"}`, 422, `"location":"body.rate"`},
		{"POST", "content/scrub", `{"rate":-1}`, 422, `"location":"body.rate"`},
		{"POST", "content/scrub", `{}}`, 400, `"kind":"invalid"`},
		{"POST", "content/scrub", `{"rate":"` + strings.Repeat("x", 3<<20) + `"}`, 413, `"kind":"invalid"`},
		{"POST", "content/collect/preview", ``, 200, `{"event":{"repository":"` + registrytest.App},
		{"POST", "content/collect", `{"now":1}`, 422, `"location":"body.now"`},
		{"POST", "content/undo", ``, 200, `{"tags":0,"manifests":0,"blobs":0}`},
		{"GET", "content/why/" + p.Layer.Digest.String(), ``, 200, `"kind":"tag"`},
		{"GET", "content/why/" + nothing, ``, 404, `"kind":"not_found"`},
		{"GET", "content/why/sha256:1", ``, 400, `"kind":"invalid"`},
		{"GET", "content/pins", ``, 200, `[]`},
		{"POST", "content/pins", pin, 200, `"owner":"op"`},
		{"POST", "content/pins", strings.Replace(pin, "v1", "v9", 1), 404, `"kind":"not_found"`},
		{"POST", "content/pins", strings.Replace(pin, "because", "", 1), 400, `a pin needs an owner and a reason`},
		{"POST", "content/pins", `{"name":"x"}`, 422, `"location":"body.name"`},
		{"GET", "content/pins", ``, 200, `"reason":"because"`},
		{"POST", "content/unpin", pin, 204, ``},
		{"POST", "content/unpin", pin, 404, `op has no pin on it`},
		{"POST", "content/unpin", `[]`, 422, `"kind":"invalid"`},
		{"GET", "content/policy", ``, 200, `{"text":""}`},
		{"PUT", "content/policy", `{"text":"x"}`, 400, `policy: line 1`},
		{"PUT", "content/policy", `{}`, 422, `"location":"body"`},
		{"PUT", "content/policy", `{"text":""}`, 200, `{"text":""}`},
		{"POST", "content/retain", `{"dryRun":true,"policy":""}`, 200, `"removed":0`},
		{"POST", "content/retain", `{"policy":"x"}`, 400, `dry run only`},
		{"POST", "content/retain", `{"file":"x"}`, 422, `"location":"body.file"`},
		{"GET", "content/pins?x=1", ``, 422, `"location":"query.x"`},
		{"GET", "doctor", ``, 200, `"level":"ok"`},
		{"GET", "stats", ``, 200, `"blobs":12`},
		{"GET", "backup/database", ``, 200, "SQLite format 3\x00"},
		{"GET", "backup/blobs/" + p.Layer.Digest.String(), ``, 200, string(p.Content[p.Layer.Digest])},
		{"GET", "backup/blobs/" + nothing, ``, 404, `"kind":"not_found"`},
		{"GET", "backup/blobs/x", ``, 400, `"kind":"invalid"`},
		{"GET", "jobs", ``, 200, `"kind":"scrub"`},
		{"GET", "jobs?limit=1", ``, 200, `"next":"`},
		{"GET", "jobs?limit=0", ``, 422, `"location":"query.limit"`},
		{"GET", "jobs?state=lost", ``, 422, `"location":"query.state"`},
		{"GET", "jobs/nosuch", ``, 404, `"kind":"not_found"`},
		{"POST", "jobs/nosuch/cancel", ``, 404, `"kind":"not_found"`},
		{"POST", "jobs/nosuch/retry", ``, 404, `"kind":"not_found"`},
		{"GET", "nosuch", ``, 404, `there is no such operation`},
		{"GET", "../../v2/", ``, 404, ``},
		{"GET", "content/scrub", ``, 405, `this is not possible here`},
	} {
		status, body := p.request(c.method, "/api/v1/"+c.path, c.body)
		if status != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s %s %.60q: %d %.300q, want %d %.60q", c.method, c.path, c.body, status, body, c.status, c.has)
		}
	}
}

// failing is a site whose verbs all end in one error.
type failing struct {
	api.Site
	err error
}

func (f failing) Undo(context.Context) (store.Restored, error) { return store.Restored{}, f.err }

// An error keeps its kind and its text over the wire.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
	}{
		{registry.ErrNotFound, 404},
		{registry.ErrNoSpace, 507},
		{&store.QuotaError{Prefix: "a", Size: 1}, 507},
		{registry.ErrConflict, 409},
		{&store.PinnedError{What: "a", Owner: "b", Reason: "c"}, 409},
		{registry.ErrDigest, 422},
		{registry.ErrSize, 422},
		{registry.ErrIncomplete, 422},
		{registry.ErrDenied, 403},
		{registry.ErrInvalid, 400},
		{errors.New("something else"), 500},
	} {
		answer := httptest.NewRecorder()
		handler := api.New(api.Options{Site: failing{err: c.err}})
		handler.ServeHTTP(answer, httptest.NewRequest("POST", "/api/v1/content/undo", nil))
		if answer.Code != c.status || answer.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v: %d %v, want %d", c.err, answer.Code, answer.Header(), c.status)
		}
		server := httptest.NewServer(handler)
		_, err := newClient(t, api.ClientOptions{Server: server.URL}).Undo(t.Context())
		server.Close()
		if err == nil || err.Error() != c.err.Error() {
			t.Errorf("%v arrives as %v", c.err, err)
		}
		for _, kind := range []error{registry.ErrNotFound, registry.ErrNoSpace, registry.ErrConflict, registry.ErrDigest,
			registry.ErrSize, registry.ErrIncomplete, registry.ErrDenied, registry.ErrInvalid} {
			if errors.Is(err, kind) != errors.Is(c.err, kind) {
				t.Errorf("%v arrives as %v: is it %v?", c.err, err, kind)
			}
		}
	}
}

// Who leaves ends the job.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := newClient(t, api.ClientOptions{Server: p.server.URL})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := c.Scrub(ctx, store.ScrubOptions{Rate: 1})
		ended <- err
	}()
	p.await(`"state":"running"`)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	p.await(`"state":"cancelled"`)
}

// Who leaves before it is known what the job is called ends it, too.
func TestDisconnectEarly(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	ctx, leave := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/content/scrub") {
			p.server.Config.Handler.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		p.server.Config.Handler.ServeHTTP(answer, r)
		leave() // the job has begun, and the client has not heard of it
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL})
	if _, err := c.Scrub(ctx, store.ScrubOptions{Rate: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	p.await(`"state":"cancelled"`)
}

// await waits until the list of jobs has something.
func (p *place) await(text string) {
	p.t.Helper()
	for began := time.Now(); ; {
		_, body := p.request("GET", "/api/v1/jobs?kind=scrub", "")
		if strings.Contains(body, text) {
			return
		}
		if strings.Contains(body, `"state":"done"`) {
			p.t.Fatalf("want %s: %s", text, body)
		}
		if time.Since(began) > 2*time.Minute {
			p.t.Fatalf("waited for %s: %s", text, body)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A real scrub that a client leaves goes on later where it was.
func TestDisconnectedScrub(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var big sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for range 200 {
		p.AddBlob(registrytest.App, 20_000)
	}
	for d, content := range p.Content {
		if len(content) == 20_000 {
			big.Go(func() {
				desc := registry.Descriptor{MediaType: p.Layer.MediaType, Digest: d, Size: int64(len(content))}
				if err := p.store.PutBlob(t.Context(), registrytest.App, desc, bytes.NewReader(content)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	big.Wait()
	c := newClient(t, api.ClientOptions{Server: p.server.URL})
	if _, err := c.Scrub(ctx, store.ScrubOptions{Rate: 1 << 20}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v, want the deadline", err)
	}
	done, err := c.Scrub(t.Context(), store.ScrubOptions{})
	if err != nil || done.Blobs != 212 || len(done.Damaged) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// What answers but is not an appliance is told apart from one that fails.
func TestNoAppliance(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"page":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello") },
		"not found": http.NotFound,
		"json": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			io.WriteString(w, `{"error":"teapot"}`)
		},
	} {
		server := httptest.NewServer(handler)
		c := newClient(t, api.ClientOptions{Server: server.URL})
		for verb, do := range verbs(c) {
			if err := do(t.Context()); err == nil || !strings.Contains(err.Error(), "is it a Landfall appliance of this version?") {
				t.Errorf("%s: %s: %v", name, verb, err)
			}
		}
		server.Close()
	}
}

// verbs are calls of every shape.
func verbs(s api.Site) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"scrub": func(ctx context.Context) error { _, err := s.Scrub(ctx, store.ScrubOptions{}); return err },
		"undo":  func(ctx context.Context) error { _, err := s.Undo(ctx); return err },
		"pins":  func(ctx context.Context) error { _, err := s.Pins(ctx); return err },
		"blob": func(ctx context.Context) error {
			r, err := s.BlobBytes(ctx, nothing)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		},
	}
}

// Who does not answer, or stops in the middle, is unreachable.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, text := "application/json", `[{"owner":`
		switch {
		case strings.HasSuffix(r.URL.Path, "/scrub"):
			text = `{"id":"1","state":"queued"`
		case strings.Contains(r.URL.Path, "/backup/"):
			kind, text = "application/octet-stream", "some bytes"
		}
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, text)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer cut.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, server := range []string{cut.URL, closed.URL, "unix://" + filepath.Join(t.TempDir(), "nosuch")} {
		for verb, do := range verbs(newClient(t, api.ClientOptions{Server: server})) {
			if err := do(t.Context()); !errors.Is(err, registry.ErrUnreachable) || !strings.Contains(err.Error(), server) {
				t.Errorf("%s: %s: %v, want ErrUnreachable", server, verb, err)
			}
		}
	}
}

// An appliance is reached over a socket whatever its path, and over TLS with a
// certificate of the site's own.
func TestReached(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	socket := filepath.Join(t.TempDir(), "a b", "landfall.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &httptest.Server{Listener: l, Config: &http.Server{Handler: api.New(api.Options{Site: p.store})}}
	local.Start()
	defer local.Close()
	secure := httptest.NewTLSServer(api.New(api.Options{Site: p.store}))
	secure.Config.ErrorLog = nil
	defer secure.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []api.ClientOptions{{Server: "unix://" + socket}, {Server: secure.URL, CAFile: ca}, {Server: p.server.URL + "/"}} {
		if _, err := newClient(t, opts).Pins(t.Context()); err != nil {
			t.Errorf("%+v: %v", opts, err)
		}
	}
	if _, err := newClient(t, api.ClientOptions{Server: secure.URL}).Pins(t.Context()); !errors.Is(err, registry.ErrUnreachable) {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	notPEM := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(notPEM, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []api.ClientOptions{{}, {Server: "127.0.0.1:5080"}, {Server: "http://"}, {Server: "ftp://a"}, {Server: "unix://a/b"},
		{Server: p.server.URL, CAFile: notPEM}} {
		if _, err := api.NewClient(opts); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", opts, err)
		}
	}
	if _, err := api.NewClient(api.ClientOptions{Server: p.server.URL, CAFile: "nosuch"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a CA file that is not there: %v", err)
	}
}
