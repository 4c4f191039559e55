package appliance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/api"
)

// patience is how long the slow tests wait for what takes 10 seconds.
const patience = 20 * time.Second

// dial opens a connection that ends with the test.
func dial(t testing.TB, base string) net.Conn {
	t.Helper()
	_, address, _ := strings.Cut(base, "://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// cutOff reads what comes until the other side closes.
func cutOff(conn net.Conn) (said string, err error) {
	content, err := io.ReadAll(conn)
	if err != nil && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset")) {
		err = nil
	}
	return string(content), err
}

// Clients that send byte by byte, or stop in the middle, are cut off, and nobody
// waits for them meanwhile.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	var waiting sync.WaitGroup
	drip := func(conn net.Conn) { // until it is closed
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(300 * time.Millisecond)
		}
	}
	slow := func(name, base, sent, want string, drips bool) {
		conn := dial(t, base)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Error(err)
		}
		if drips {
			waiting.Go(func() { drip(conn) })
		}
		waiting.Go(func() {
			said, err := cutOff(conn)
			if err != nil || !strings.Contains(said, want) || want == "" && strings.Contains(said, "200 OK") {
				t.Errorf("%s: %v %.300q", name, err, said)
			}
			conn.Close()
		})
	}
	for range 20 {
		slow("headers", s.plain, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", "", true)
		slow("nothing", s.plain, "", "", false)
		slow("handshake", s.secure, "", "", false)
		slow("handshake, byte by byte", s.secure, "\x16", "", true)
		slow("body", s.plain, "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", "408", false)
		slow("body, byte by byte", s.plain, "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{", "408", true)
	}
	for began := time.Now(); time.Since(began) < 3*time.Second; {
		at := time.Now()
		s.want("GET", "/healthz", "", 200)
		s.want("GET", "/api/v1/system/health", "", 200)
		if took := time.Since(at); took > 2*time.Second {
			t.Errorf("others wait for %v", took)
		}
	}
	waiting.Wait()
}

// serveShort is a server that has little time.
func serveShort(t *testing.T) string {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := ui.NewServer(s, ui.Options{BodyTime: 200 * time.Millisecond, HeaderTime: time.Second, Manage: map[string]http.Handler{
		"POST /long": http.HandlerFunc(long), api.Prefix + "/": api.New(api.Options{Site: s})}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := joined(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// long takes longer than bodies may, and bounds its body itself, as the API does.
func long(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := io.Copy(w, r.Body)
	select {
	case <-time.After(time.Second):
	case <-r.Context().Done():
		err = context.Cause(r.Context())
	}
	fmt.Fprint(w, err)
}

// A body that nobody reads is not waited for for ever, whatever it was sent to.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	base := serveShort(t)
	for _, head := range []string{"GET /healthz", "GET /", "GET /metrics", "GET /api/v1/nosuch", "GET /nosuch", "POST /api/v1/system/health", "DELETE /v2"} {
		for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			conn := dial(t, base)
			began := time.Now()
			if _, err := io.WriteString(conn, head+" HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			said, err := cutOff(conn)
			if err != nil || time.Since(began) > patience/2 {
				t.Errorf("%s, %s: %v after %v: %.200q", head, length, err, time.Since(began), said)
			}
		}
	}
}

// Who asks for a lot and reads nothing does not keep the appliance from its end.
func TestStuckPull(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	content := strings.Repeat("x", 64<<20)
	d := digest.FromString(content).String()
	s.onSocket("POST", "/v2/"+teamRepository+"/blobs/uploads/?digest="+d, content, 201, "Content-Type", "application/octet-stream")
	conn := dial(t, s.plain)
	if _, err := io.WriteString(conn, "GET /v2/"+teamRepository+"/blobs/"+d+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("the end took %v", took)
	}
}

// What is asked for may take longer than the asking: the time for a body does not
// go on when it is there.
func TestLongAnswers(t *testing.T) {
	t.Parallel()
	base := serveShort(t)
	got, err := http.Post(base+"/long", "application/json", strings.NewReader("done: "))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if content, err := io.ReadAll(got.Body); err != nil || string(content) != "done: <nil>" {
		t.Errorf("%s %q, %v", got.Status, content, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A body that is no HTTP is the client's fault.
func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	for _, body := range []string{"zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}zz\r\n0\r\n\r\n", "ffffffffffffffffff\r\n", "2\r\n{}\r\n0\r\nX: \x00\r\n\r\n"} {
		for _, path := range []string{"/api/v1/session", "/auth/token", "/v2/x/blobs/uploads/", "/api/v1/nosuch", "/"} {
			status, said := s.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
			if status < 400 || status >= 500 {
				t.Errorf("%s %q: %d %s", path, body, status, said)
			}
		}
	}
}

// What follows a body that was not read to its end is never taken for a request.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	hidden := "GET /healthz?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	long := strings.Repeat(hidden, 3<<20/len(hidden))
	for _, path := range []string{"/api/v1/session", "/api/v1/users", "/api/v1/nosuch", "/api/v1/uploads", "/auth/token", "/v2/x/blobs/uploads/", "/v2/x/manifests/a", "/", "/healthz", "/metrics"} {
		for _, method := range []string{"POST", "PUT", "GET"} {
			for _, body := range []string{hidden, long} {
				conn := dial(t, s.plain)
				go func() { // until all is written or it is closed
					_, _ = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
					_, _ = io.WriteString(conn, "BREW /the-end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				}()
				said, _ := io.ReadAll(conn) // an answer may be lost with a connection that is reset
				if n := strings.Count(string(said), "HTTP/1.1 "); n > 2 {
					t.Errorf("%s %s with %d bytes: %d answers", method, path, len(body), n)
				}
				conn.Close()
			}
		}
	}
	if strings.Contains(s.log.String(), "path=/healthz?") || strings.Count(s.log.String(), "path=/the-end") == 0 {
		t.Error("a body was taken for a request, or none was read to its end")
	}
}
