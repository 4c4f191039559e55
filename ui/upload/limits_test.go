package upload

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
)

// An upload is its owner's: to others it is not there. An administrator sees and
// deletes all, and writes to none.
func TestOwnership(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(1000, 1)
	mine, whole := s.make(len(content)), s.upload(content).ID
	theirs := s.makeAs("bob", 100)
	for _, location := range []string{mine, "/" + whole} {
		for _, c := range []call{
			{method: "HEAD"}, {method: "GET"}, {method: "DELETE"},
			{method: "PATCH", header: patchHeader(0), body: bytes.NewReader(content)},
		} {
			for owner, status := range map[string]int{"bob": 404, "admin": 404} {
				if c.path, c.owner = location, owner; owner == "admin" && (c.method == "GET" || c.method == "DELETE") {
					continue
				}
				s.do(c).want(t, status)
			}
		}
	}
	names := func(owner, query string) (ids []string) {
		var page List
		g := s.do(call{method: "GET", path: query, owner: owner}).want(t, 200)
		if err := json.Unmarshal(g.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, up := range page.Uploads {
			ids = append(ids, up.ID)
		}
		return ids
	}
	if ids := names("bob", ""); len(ids) != 1 || ids[0] != idIn(theirs) {
		t.Errorf("bob sees %q", ids)
	}
	if ids := names("admin", ""); len(ids) != 0 {
		t.Errorf("an administrator's own: %q", ids)
	}
	if ids := names("admin", "?all=true"); len(ids) != 3 {
		t.Errorf("an administrator sees %q", ids)
	}
	s.do(call{method: "GET", path: "?all=true", owner: "bob"}).want(t, 403)
	s.do(call{method: "GET", path: "?limit=0"}).want(t, 400)
	s.do(call{method: "GET", path: "?limit=x"}).want(t, 400)
	s.do(call{method: "GET", path: mine, owner: "admin"}).want(t, 200)
	s.do(call{method: "DELETE", path: mine, owner: "admin"}).want(t, 204)
	s.head(mine).want(t, 404)
}

// The list comes in pages, and can be asked for one file.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	for n := range 7 {
		s.make(10, "fingerprint", fmt.Sprint(n%2))
	}
	count, after := 0, ""
	for {
		var page List
		g := s.do(call{method: "GET", path: "?limit=2&fingerprint=0&after=" + after}).want(t, 200)
		if err := json.Unmarshal(g.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, up := range page.Uploads {
			if count++; up.Fingerprint != "0" {
				t.Errorf("%+v", up)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if count != 4 {
		t.Errorf("%d uploads in all pages, want 4", count)
	}
}

// Room is looked for before the first byte: quotas of all and of one, the disk, the
// number of uploads.
func TestSpace(t *testing.T) {
	t.Parallel()
	free, err := durable.Free(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		opts   Options
		before []int // sizes of uploads that are there: by amy, by bob, and so on
		size   int64
		status int
		kind   string
	}{
		"no quota":            {Options{}, nil, 1000, 201, ""},
		"quota":               {Options{Limits: Limits{Quota: 2500}}, []int{1000}, 1500, 201, ""},
		"over the quota":      {Options{Limits: Limits{Quota: 2500}}, []int{1000}, 1501, 507, "no_space"},
		"over it with others": {Options{Limits: Limits{Quota: 2500}}, []int{1, 1000}, 1500, 507, "no_space"},
		"own quota":           {Options{Limits: Limits{OwnerQuota: 2500}}, []int{1000, 2000}, 1500, 201, ""},
		"over the own quota":  {Options{Limits: Limits{OwnerQuota: 2500}}, []int{1000, 2000}, 1501, 507, "no_space"},
		"too many":            {Options{MaxOpen: 2}, []int{10, 10}, 10, 429, "busy"},
		"too many of one":     {Options{MaxOpenByOwner: 1}, []int{10, 10}, 10, 429, "busy"},
		"more than the disk":  {Options{}, nil, free + 1<<40, 507, "no_space"},
		"what others need":    {Options{Limits: Limits{KeepFree: free + 1<<40}}, nil, 1000, 507, "no_space"},
		"absurd":              {Options{}, nil, 1<<63 - 1, 507, "no_space"},
	} {
		s := newSite(t, c.opts)
		for n, size := range c.before {
			s.makeAs([]string{"amy", "bob"}[n], size)
		}
		g := s.do(call{method: "POST", header: map[string]string{headerLength: textOf(c.size)}})
		if g.status != c.status || g.problem.Kind != c.kind {
			t.Errorf("%s: status %d, want %d: %s", name, g.status, c.status, g.body)
		}
		if strings.Contains(string(g.body), s.dir) {
			t.Errorf("%s: a path of the machine: %s", name, g.body)
		}
	}
}

// Room that was promised is not promised twice, and comes back.
func TestPromisedRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Limits: Limits{KeepFree: -1}})
	free, err := durable.Free(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	most := free / 2
	first := s.do(call{method: "POST", header: map[string]string{headerLength: textOf(most)}}).want(t, 201).header.Get("Location")
	s.do(call{method: "POST", header: map[string]string{headerLength: textOf(most)}}).want(t, 507)
	s.do(call{method: "DELETE", path: first}).want(t, 204)
	s.do(call{method: "POST", header: map[string]string{headerLength: textOf(most)}}).want(t, 201)
}

// begun is a PATCH over a connection of its own, of which the appliance has written
// so many bytes.
func (s *site) begun(location string, content []byte, n int) net.Conn {
	s.t.Helper()
	h := patchHeader(0)
	h[HeaderProgress] = "1"
	c := s.connect(location, h, len(content))
	if _, err := c.Write(content[:n]); err != nil {
		s.t.Fatal(err)
	}
	for r := bufio.NewReader(c); ; {
		answer, err := http.ReadResponse(r, nil)
		if err != nil || answer.StatusCode != StatusWritten {
			s.t.Fatal(answer, err)
		}
		if answer.Header.Get(HeaderWritten) == textOf(n) {
			return c
		}
	}
}

// wrapped is a response writer as frameworks put them before the connection's own.
type wrapped struct {
	http.ResponseWriter
	t *testing.T
}

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w wrapped) WriteHeader(status int) {
	if status < 200 {
		w.t.Errorf("a framework sees status %d", status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// How far bytes were written is told past what stands before the connection.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(wrapped{w, t}, r) }))
	defer server.Close()
	content := archiveOf(4<<20, 1)
	location := s.make(len(content))
	told := []string{}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		told = append(told, fmt.Sprint(code, header[HeaderWritten]))
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPatch, server.URL+location, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{headerResumable: {version}, headerOffset: {"0"}, "Content-Type": {typeBytes}, "X-Owner": {"amy"}, HeaderProgress: {"1"}}
	answer, err := server.Client().Do(r)
	if err != nil || answer.StatusCode != http.StatusNoContent || answer.Header.Get(HeaderWritten) != "" {
		t.Fatal(answer, err)
	}
	answer.Body.Close()
	if last := fmt.Sprint(StatusWritten, []string{textOf(len(content))}); len(told) < 4 || len(told) > 9 && told[len(told)-1] != last {
		t.Errorf("told %q", told)
	}
}

// A connection that is dead on its way keeps nobody out: whoever asks how far the
// upload is, or goes on, gets its turn, and no byte that came is lost.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(1<<20, 1)
	const n = 600_000
	for name, next := range map[string]func(location string){
		"head": func(location string) {
			if at := s.head(location).want(t, 200).offset(); at != n {
				t.Errorf("offset %d, want %d", at, n)
			}
		},
		"patch": func(location string) {
			s.send(location, n, content[n:]).want(t, 204)
			if up := s.info(location); up.Digest != digest.FromBytes(content) {
				t.Errorf("%+v", up)
			}
		},
		"delete": func(location string) {
			s.do(call{method: "DELETE", path: location}).want(t, 204)
			s.head(location).want(t, 404)
		},
		"stop": func(location string) {
			s.Close()
			<-s.ended
			s.ended <- struct{}{}
			s.restart()
			if at := s.head(location).want(t, 200).offset(); at != n {
				t.Errorf("offset %d after a stop, want %d", at, n)
			}
		},
	} {
		location := s.make(len(content))
		dead := s.begun(location, content, n)
		next(location)
		<-s.ended // by itself: the connection is open still
		dead.Close()
		t.Log(name)
	}
}

// Who sends nothing for a while is broken off, and so is who trickles; what came is
// kept.
func TestSlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{Idle: 300 * time.Millisecond})
	content := archiveOf(1<<20, 1)
	location := s.make(len(content))
	silent := s.connect(location, patchHeader(0), len(content))
	defer silent.Close()
	if _, err := silent.Write(content[:5000]); err != nil {
		t.Fatal(err)
	}
	<-s.ended
	answer, err := http.ReadResponse(bufio.NewReader(silent), nil)
	if err != nil || answer.StatusCode != http.StatusRequestTimeout {
		t.Fatal(answer, err)
	}
	if at := s.head(location).offset(); at != 5000 {
		t.Errorf("offset %d, want 5000", at)
	}
	trickling := s.connect(location, patchHeader(5000), len(content)-5000)
	defer trickling.Close()
	for at := 5000; ; at++ {
		if _, err := trickling.Write(content[at : at+1]); err != nil {
			break
		}
		select {
		case <-s.ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	<-s.ended
}

// So many receive at one moment, and no more; the others are told to come back.
func TestActive(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{MaxActiveByOwner: 1})
	content := archiveOf(1<<20, 1)
	first, second := s.make(len(content)), s.make(len(content))
	c := s.begun(first, content, 600_000)
	g := s.send(second, 0, content).want(t, 503)
	if g.header.Get("Retry-After") == "" || g.problem.Kind != "busy" {
		t.Errorf("%v %s", g.header, g.body)
	}
	c.Close()
	<-s.ended
	s.send(second, 0, content).want(t, 204)
}

// Many uploads at once do not mix.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	var all sync.WaitGroup
	for n := range 12 {
		all.Go(func() {
			content := archiveOf(300_000+n, uint64(n))
			location := s.make(len(content))
			for at := 0; at < len(content); at += 100_000 {
				end := min(at+100_000, len(content))
				if g := s.send(location, at, content[at:end]); g.status != 204 {
					t.Errorf("status %d: %s", g.status, g.body)
				}
			}
			if up := s.info(location); up.Digest != digest.FromBytes(content) {
				t.Errorf("%+v", up)
			}
		})
	}
	all.Wait()
}

// Uploads that are begun and left take a row each: no file, no memory, no goroutine.
func TestHalfOpen(t *testing.T) { // alone: it looks at the whole process
	count := 1000
	if n, err := strconv.Atoi(os.Getenv("LANDFALL_TEST_HALF_OPEN")); err == nil {
		count = n // 10000 takes a quarter of a minute
	}
	s := newSite(t, Options{MaxOpen: count})
	content := archiveOf(2000, 1)
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools held
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s.make(len(content))
	files, before, goroutines, began := fds(), heap(), runtime.NumGoroutine(), time.Now()
	for n := 1; n < count; n++ {
		s.makeAs(fmt.Sprint("owner ", n/999), len(content))
	}
	t.Logf("%d half-open uploads, %.1f s: %+d files, %+d KiB of heap, %+d goroutines", count, time.Since(began).Seconds(),
		fds()-files, (int64(heap())-int64(before))>>10, runtime.NumGoroutine()-goroutines)
	if len(s.inFolder()) != 0 || len(s.turns) != 0 || len(s.active) != 0 {
		t.Errorf("uploads without bytes have %d files, %d turns", len(s.inFolder()), len(s.turns))
	}
	s.do(call{method: "POST", owner: "last", header: map[string]string{headerLength: "5"}}).want(t, 429)
	began = time.Now()
	if up := s.info("/" + idIn(s.first())); up.Size != int64(len(content)) {
		t.Errorf("%+v", up)
	}
	s.send("/"+s.first(), 0, content).want(t, 204)
	t.Logf("one of them is finished in %s", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	s.sweep(t.Context(), time.Now().Add(48*time.Hour))
	t.Logf("they expire in %s", time.Since(began).Round(time.Millisecond))
	if list, err := s.List(t.Context(), "", ""); err != nil || len(list.Uploads) != 1 {
		t.Errorf("%d uploads after all have expired but the whole one, %v", len(list.Uploads), err)
	}
}

// first is the id of amy's first upload.
func (s *site) first() string {
	s.t.Helper()
	list, err := s.List(s.t.Context(), "amy", "")
	if err != nil || len(list.Uploads) == 0 {
		s.t.Fatal(list, err)
	}
	return list.Uploads[0].ID
}
