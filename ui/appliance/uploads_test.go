package appliance_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// begin begins an upload of which nothing comes.
func (s *site) begin(who subject, name string) answer {
	s.t.Helper()
	return s.as(who, "POST", "/api/v1/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", "4096", "Upload-Metadata", metadata("filename", name))
}

// descriptors are the files that this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(list)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Somebody who begins 10,000 uploads and ends none is stopped at a limit; what was
// begun costs no memory and no file that is open, and nobody waits for it. It is
// measured, so nothing runs beside it.
func TestHalfOpenUploads(t *testing.T) { //nolint:paralleltest // see above
	const many = 10_000
	s := start(t, siteOptions{flags: map[string][]string{"log-level": {"warn"}, "log-requests": {"false"}}})
	greedy, _ := s.addToken("greedy", `"role":"operator"`)
	another, _ := s.addToken("another", `"role":"operator"`)
	s.begin(greedy, "first")
	s.client.CloseIdleConnections()
	files, before := descriptors(t), heap()
	var made, refused, other atomic.Int64
	var slowest atomic.Int64
	var sending, watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			at := time.Now()
			s.want("GET", "/api/v1/system/health", "", 200)
			if took := int64(time.Since(at)); took > slowest.Load() {
				slowest.Store(took)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	for w := range 8 {
		sending.Go(func() {
			for n := range many / 8 {
				switch got := s.begin(greedy, fmt.Sprint(w, n)); got.status {
				case 201:
					made.Add(1)
				case 429:
					refused.Add(1)
				default:
					other.Add(1)
				}
			}
		})
	}
	sending.Wait()
	close(done)
	watching.Wait()
	s.client.CloseIdleConnections()
	var more int
	eventually(t, "connections are closed", func() bool { more = descriptors(t) - files; return more < 50 })
	grown := heap() - before
	if made.Load() != 999 || refused.Load() != many-999 || other.Load() != 0 {
		t.Errorf("%d made, %d refused, %d others", made.Load(), refused.Load(), other.Load())
	}
	if grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if took := time.Duration(slowest.Load()); took > 2*time.Second {
		t.Errorf("others waited for %v", took)
	}
	if got := s.begin(greedy, "one more"); got.status != 429 || got.header.Get("Retry-After") == "" || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := s.begin(another, "mine"); got.status != 201 {
		t.Errorf("another one: %d %s", got.status, got.body)
	}
	id := strings.TrimPrefix(s.begin(another, "gone").header.Get("Location"), "/api/v1/uploads/")
	s.wantAs(another, "DELETE", "/api/v1/uploads/"+id, "", 204, "Tus-Resumable", "1.0.0")
	t.Logf("%d made, %d refused; others waited at most %v; heap +%d KiB, %d descriptors more", made.Load(), refused.Load(), time.Duration(slowest.Load()), grown>>10, more)
}

// Requests that send no more take a bounded number of places, and leave them with
// their connections.
func TestStalledUploads(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	greedy, _ := s.addToken("greedy", `"role":"operator"`)
	another, _ := s.addToken("another", `"role":"operator"`)
	append1 := func(who subject) (int, io.Closer) {
		path := s.begin(who, "a").header.Get("Location")
		conn := dial(t, s.plain)
		fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\n%s: %s\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 4096\r\nExpect: 100-continue\r\n\r\n",
			path, who.headers[0], who.headers[1])
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, conn
	}
	var open []io.Closer
	busy := 0
	for range 20 {
		status, conn := append1(greedy)
		if open = append(open, conn); status == http.StatusServiceUnavailable {
			busy++
		} else if status != http.StatusContinue {
			t.Errorf("%d", status)
		}
	}
	if busy != 4 {
		t.Errorf("%d of 20 were refused, want 4", busy)
	}
	if status, _ := append1(another); status != http.StatusContinue {
		t.Errorf("another one: %d", status)
	}
	for _, conn := range open {
		conn.Close()
	}
	eventually(t, "places are free again", func() bool {
		status, _ := append1(greedy)
		return status == http.StatusContinue
	})
}

// Uploads are seen, written, used and removed by their owner only; an administrator
// may see and remove them.
func TestOthersUploads(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	admin := s.first("admin")
	mine, _ := s.addToken("mine", `"role":"operator"`)
	theirs, _ := s.addToken("theirs", `"role":"operator"`)
	path := s.begin(mine, "a").header.Get("Location")
	whole := s.upload(mine, "b", "some bytes")
	tus := []string{"Tus-Resumable", "1.0.0"}
	bytes := append([]string{"Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"}, tus...)
	for _, c := range []struct {
		who                subject
		method, path, body string
		status             int
		headers            []string
	}{
		{theirs, "GET", path, "", 404, nil},
		{theirs, "HEAD", path, "", 404, tus},
		{theirs, "PATCH", path, "abc", 404, bytes},
		{theirs, "DELETE", path, "", 404, tus},
		{theirs, "GET", "/api/v1/uploads?all=true", "", 403, nil},
		{theirs, "POST", "/api/v1/uploads", "", 400, append([]string{"Upload-Concat", "final;" + path}, tus...)},
		{theirs, "POST", "/api/v1/bundles/inspect", `{"upload":"` + whole + `"}`, 404, nil},
		{theirs, "POST", "/api/v1/bundles/verify", `{"upload":"` + whole + `"}`, 404, nil},
		{theirs, "POST", "/api/v1/bundles/import", `{"upload":"` + whole + `"}`, 404, nil},
		{mine, "POST", "/api/v1/bundles/inspect", `{"upload":"` + whole + `"}`, 422, nil}, // it is no bundle
		{admin, "GET", path, "", 200, nil},
		{admin, "GET", "/api/v1/uploads?all=true", "", 200, nil},
		{admin, "PATCH", path, "abc", 404, bytes},
		{mine, "HEAD", path, "", 200, tus},
		{admin, "DELETE", path, "", 204, tus},
		{mine, "HEAD", path, "", 404, tus},
	} {
		if got := s.as(c.who, c.method, c.path, c.body, c.headers...); got.status != c.status {
			t.Errorf("%s: %s %s: %d, want %d: %s", c.who.name, c.method, c.path, got.status, c.status, got.body)
		}
	}
	if list := s.wantAs(theirs, "GET", "/api/v1/uploads", "", 200); strings.Contains(list, whole) {
		t.Errorf("%s", list)
	}
}

// What people named is shown without what a terminal would obey.
func TestEscapeSequences(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	admin := s.first("admin")
	const evil = "\x1b[2J\x1b]0;title\x07\u009b31m\u202egpj.\u2066\r\nSet-Cookie: a=b\x7f\b.bundle"
	id := s.upload(admin, evil, "some bytes")
	s.as(admin, "POST", "/api/v1/bundles/import", `{"upload":"`+id+`","override":`+quote(evil)+`}`)
	s.as(admin, "POST", "/api/v1/bundles/import", `{"drive":`+quote(evil)+`,"file":`+quote(evil)+`}`)
	s.as(admin, "POST", "/api/v1/content/pins", `{"repository":`+quote(evil)+`,"owner":`+quote(evil)+`,"reason":`+quote(evil)+`}`)
	s.push(atTheMachine, teamRepository, "v1", "layer")
	s.as(admin, "POST", "/api/v1/content/pins", `{"repository":"`+teamRepository+`","tag":"v1","owner":`+quote(evil)+`,"reason":`+quote(evil)+`}`)
	s.as(admin, "POST", "/api/v1/bundles/exports", `{"names":[`+quote(evil)+`]}`)
	s.as(admin, "POST", "/api/v1/session", `{"name":`+quote(evil)+`,"password":"x"}`)
	s.as(admin, "POST", "/api/v1/users", `{"name":`+quote(evil)+`,"password":"x","role":"viewer"}`)
	s.as(admin, "GET", "/api/v1/%1b%5b2J%c2%9b31m", "")
	s.as(admin, "GET", "/v2/%1b%5b2J/manifests/%c2%9b31m", "")
	s.as(admin, "GET", "/api/v1/session", "", "User-Agent", "a\u009b31m")
	s.as(admin, "POST", "/api/v1/content/scrub", `{}`, "Idempotency-Key", "a\u009b31m")
	texts := map[string]string{"the log": s.log.String()}
	for _, path := range []string{"uploads", "uploads/" + id, "jobs", "audit?limit=500", "audit/export", "content/pins", "content/names", "users", "users/" + admin.id + "/sessions", "bundles/exports", "settings", "doctor"} {
		texts[path] = s.wantAs(admin, "GET", "/api/v1/"+path, "", 200)
	}
	for name, content := range unpack(t, s.wantAs(admin, "GET", "/api/v1/diagnostics", "", 200)) {
		texts[name] = content
	}
	for where, text := range texts {
		if at := strings.IndexFunc(text, func(c rune) bool {
			return c < ' ' && c != '\n' && c != '\t' || where == "the log" && c > '~' && c < 0xa0 || c == 0x202e && strings.HasPrefix(where, "uploads")
		}); at >= 0 {
			t.Errorf("%s has %q", where, text[max(0, at-100):min(len(text), at+20)])
		}
	}
	for _, c := range []string{"\x1b", "\u009b", "\u202e", "\r", "\x7f"} {
		if strings.Contains(texts["uploads"], c) {
			t.Errorf("the name of an upload has %q: %q", c, texts["uploads"])
		}
	}
}
