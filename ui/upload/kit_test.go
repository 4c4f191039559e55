package upload

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/events"
)

func openDatabase(t testing.TB, path string) *sqldb.DB {
	t.Helper()
	first := fstest.MapFS{"0001_first.sql": {Data: []byte("-- +goose Up\nCREATE TABLE first (n INTEGER);\n-- +goose Down\nDROP TABLE first;\n")}}
	db, err := sqldb.Open(context.Background(), path, first)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// site is a server of uploads that can be stopped and started again.
type site struct {
	t      testing.TB
	dir    string
	opts   Options
	db     *sqldb.DB
	audit  *audit.Log
	server *httptest.Server
	*Uploads

	mu    sync.Mutex // protects whole
	whole []File
	came  chan File
	ended chan struct{} // gets one when a request over a connection of its own has ended
}

// newSite starts a site; who sends X-Owner is that owner, and admin an administrator.
func newSite(t testing.TB, opts Options) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), opts: opts, came: make(chan File, 1000), ended: make(chan struct{}, 1000)}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) start() {
	s.t.Helper()
	s.db = openDatabase(s.t, filepath.Join(s.dir, "landfall.db"))
	var err error
	if s.audit, err = audit.Open(s.t.Context(), s.db); err != nil {
		s.t.Fatal(err)
	}
	opts := s.opts
	opts.Audit, opts.Events = s.audit, events.NewBus(0)
	opts.Owner = func(r *http.Request) (string, bool) {
		owner := r.Header.Get("X-Owner")
		return owner, owner == "admin"
	}
	opts.OnWhole = func(_ context.Context, f File) {
		s.mu.Lock()
		s.whole = append(s.whole, f)
		s.mu.Unlock()
		s.came <- f
	}
	if s.Uploads, err = New(s.t.Context(), s.db, filepath.Join(s.dir, "inbox"), opts); err != nil {
		s.t.Fatal(err)
	}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Mark") == "" {
			s.ServeHTTP(w, r)
			return
		}
		defer func() { s.ended <- struct{}{} }()
		s.ServeHTTP(w, r)
	}))
}

func (s *site) stop() {
	s.Close()
	s.server.Close()
	if err := s.db.Close(); err != nil {
		s.t.Error(err)
	}
}

// restart ends the process, as far as that can be done within one.
func (s *site) restart() {
	s.stop()
	s.start()
}

// base is the URL of all uploads.
func (s *site) base() string { return s.server.URL + "/api/v1/uploads" }

// call is one request.
type call struct {
	method, path string // the path below the base, or a Location
	owner        string // amy when empty
	header       map[string]string
	body         io.Reader
	size         int64 // of the body; -1: chunked
}

// got is its answer.
type got struct {
	status  int
	header  http.Header
	body    []byte
	problem Problem
}

// do sends a request with the protocol's version, unless the call has another.
func (s *site) do(c call) got {
	s.t.Helper()
	g, err := s.try(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return g
}

func (s *site) try(c call) (got, error) {
	target := s.base() + c.path
	if strings.HasPrefix(c.path, "/api/") {
		target = s.server.URL + c.path
	}
	r, err := http.NewRequestWithContext(s.t.Context(), c.method, target, c.body)
	if err != nil {
		return got{}, err
	}
	if c.size != 0 {
		r.ContentLength = c.size
	}
	r.Header.Set(headerResumable, version)
	r.Header.Set("X-Owner", "amy")
	if c.owner != "" {
		r.Header.Set("X-Owner", c.owner)
	}
	for k, v := range c.header {
		if r.Header.Set(k, v); v == "" {
			r.Header.Del(k)
		}
	}
	answer, err := s.server.Client().Do(r)
	if err != nil {
		return got{}, err
	}
	defer answer.Body.Close()
	g := got{status: answer.StatusCode, header: answer.Header}
	if g.body, err = io.ReadAll(answer.Body); err != nil {
		return g, err
	}
	if c.method != "HEAD" && strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem") {
		err = json.Unmarshal(g.body, &g.problem)
	}
	return g, err
}

// want fails the test unless the answer has a status.
func (g got) want(t testing.TB, status int) got {
	t.Helper()
	if g.status != status {
		t.Fatalf("status %d, want %d: %s", g.status, status, g.body)
	}
	return g
}

func (g got) offset() int64 {
	n, err := strconv.ParseInt(g.header.Get(headerOffset), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// meta makes Upload-Metadata of keys and values.
func meta(pairs ...string) string {
	var list []string
	for k := 0; k < len(pairs); k += 2 {
		list = append(list, pairs[k]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[k+1])))
	}
	return strings.Join(list, ",")
}

// make makes an upload of a size and returns its location.
func (s *site) make(size int, pairs ...string) string {
	s.t.Helper()
	return s.makeAs("amy", size, pairs...)
}

func (s *site) makeAs(owner string, size int, pairs ...string) string {
	s.t.Helper()
	g := s.do(call{method: "POST", owner: owner, header: map[string]string{headerLength: strconv.Itoa(size), headerMetadata: meta(pairs...)}}).want(s.t, 201)
	return g.header.Get("Location")
}

// send appends bytes.
func (s *site) send(location string, offset int, content []byte) got {
	s.t.Helper()
	return s.do(call{method: "PATCH", path: location, body: bytes.NewReader(content), header: patchHeader(offset)})
}

func patchHeader(offset int) map[string]string {
	return map[string]string{headerOffset: strconv.Itoa(offset), "Content-Type": typeBytes}
}

func (s *site) head(location string) got {
	s.t.Helper()
	return s.do(call{method: "HEAD", path: location})
}

// info is what GET tells.
func (s *site) info(location string) (up Upload) {
	s.t.Helper()
	g := s.do(call{method: "GET", path: location}).want(s.t, 200)
	if err := json.Unmarshal(g.body, &up); err != nil {
		s.t.Fatal(err)
	}
	return up
}

func idIn(location string) string { return location[strings.LastIndexByte(location, '/')+1:] }

// archiveOf is a docker save archive whose layer has about so many bytes.
func archiveOf(size int, seed uint64) []byte {
	layer := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = source.Read(layer)
	return tarOf("layer.tar", layer, "manifest.json", []byte(`[{"Config":"c.json","Layers":["layer.tar"]}]`))
}

// tarOf makes a tar file of names and contents.
func tarOf(entries ...any) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for k := 0; k < len(entries); k += 2 {
		content := entries[k+1].([]byte)
		if err := w.WriteHeader(&tar.Header{Name: entries[k].(string), Mode: 0o644, Size: int64(len(content))}); err != nil {
			panic(err)
		}
		if _, err := w.Write(content); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func concat(locations ...string) string { return "final;" + strings.Join(locations, " ") }

// upload sends a file in one request and returns what became of it.
func (s *site) upload(content []byte, pairs ...string) Upload {
	s.t.Helper()
	location := s.make(len(content), pairs...)
	s.send(location, 0, content).want(s.t, 204)
	return s.info(location)
}

// settled waits until an upload is neither received nor checked.
func (s *site) settled(location string) Upload {
	s.t.Helper()
	for {
		if up := s.info(location); up.State != Receiving && up.State != Checking {
			return up
		}
		time.Sleep(time.Millisecond)
	}
}

// partial makes a partial upload, of a group when there are pairs, and sends it.
func (s *site) partial(content []byte, pairs ...string) string {
	s.t.Helper()
	h := map[string]string{headerLength: strconv.Itoa(len(content)), headerConcat: concatPartial, headerMetadata: meta(pairs...)}
	location := s.do(call{method: "POST", header: h}).want(s.t, 201).header.Get("Location")
	s.send(location, 0, content).want(s.t, 204)
	return location
}

func (s *site) join(pairs []string, locations ...string) got {
	s.t.Helper()
	return s.do(call{method: "POST", header: map[string]string{headerConcat: concat(locations...), headerMetadata: meta(pairs...)}})
}

// inFolder lists the files of the site's uploads.
func (s *site) inFolder() (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "inbox"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func textOf(v any) string { return fmt.Sprint(v) }

func TestMain(m *testing.M) { leaktest.Main(m) }

// connect sends the head of a PATCH over a connection of its own.
func (s *site) connect(location string, header map[string]string, length int) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "PATCH %s HTTP/1.1\r\nHost: site\r\nX-Mark: yes\r\nX-Owner: amy\r\nTus-Resumable: 1.0.0\r\nContent-Length: %d\r\n", location, length)
	for k, v := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if _, err := io.WriteString(c, b.String()+"\r\n"); err != nil {
		s.t.Fatal(err)
	}
	return c
}
