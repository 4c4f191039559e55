package appliance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/ui/appliance"
)

// seeds are requests from which others are made.
func (s *site) seeds(add func(method, path, headers, body string)) {
	operations, list := s.operations()
	for _, o := range operations {
		body := ""
		if schema, ok := o.body(); ok {
			content, _ := json.Marshal(schemas(list).sample(schema))
			body = string(content)
		}
		query := "?"
		for _, p := range o.Parameters {
			if p.In == "query" {
				query += p.Name + "=1&"
			}
		}
		add(o.method, filled(o.path)+query[:len(query)-1], "If-Match: \"1\"\r\nIdempotency-Key: a\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/json", body)
	}
	const bytes = "Content-Type: application/octet-stream"
	for _, r := range [][4]string{
		{"POST", "/api/v1/uploads", "Tus-Resumable: 1.0.0\r\nUpload-Length: 3\r\nUpload-Metadata: filename YQ==\r\nContent-Type: application/offset+octet-stream", "abc"},
		{"POST", "/api/v1/uploads", "Tus-Resumable: 1.0.0\r\nUpload-Concat: final;/api/v1/uploads/a /api/v1/uploads/b", ""},
		{"POST", "/api/v1/uploads/x", "X-HTTP-Method-Override: PATCH\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0", "x"},
		{"GET", "/v2/", "", ""}, {"GET", "/v2/_catalog?n=1&last=a", "", ""}, {"GET", "/v2/a/b/tags/list?n=-1", "", ""},
		{"HEAD", "/v2/a/manifests/latest?ns=docker.io", "Accept: */*", ""}, {"PUT", "/v2/a/manifests/latest", "Content-Type: application/vnd.oci.image.manifest.v1+json", "{}"},
		{"POST", "/v2/a/blobs/uploads/?mount=sha256:0&from=b", bytes, ""}, {"PATCH", "/v2/a/blobs/uploads/x?offset=1", bytes + "\r\nContent-Range: 0-1", "ab"},
		{"GET", "/v2/a/blobs/" + someDigest, "Range: bytes=0-,-1", ""}, {"GET", "/v2/a/referrers/" + someDigest + "?artifactType=a", "", ""},
		{"GET", "/auth/token?service=landfall&scope=repository:a:pull,push&scope=registry:catalog:*", "Authorization: Basic YTpi", ""},
		{"POST", "/auth/token", "Content-Type: application/x-www-form-urlencoded", "grant_type=password&username=a&password=b&scope=repository:a:*"},
		{"GET", "/metrics", "", ""}, {"GET", "/healthz", "", ""}, {"GET", "/", "", ""}, {"GET", "/../%2e%2e//x", "", ""}, {"OPTIONS", "*", "", ""}, {"CONNECT", "a:1", "", ""},
		{"GET", "/api/v1/session", "Cookie: landfall=x; landfall=y\r\nOrigin: null\r\nAuthorization: Bearer lf_x", ""},
	} {
		add(r[0], r[1], r[2], r[3])
	}
}

// FuzzRoutes sends whatever it is, as nobody and as others, the machine's
// administrator among them: the appliance always answers, never by failing, with
// errors as they are promised, in which nothing of the machine is told.
func FuzzRoutes(f *testing.F) {
	s := start(f, siteOptions{flags: map[string][]string{"log-level": {"error"}, "log-requests": {"false"}}})
	s.push(atTheMachine, teamRepository, "v1", "layer")
	robot, _ := s.addToken("robot", `"role":"operator"`)
	s.seeds(func(method, path, headers, body string) {
		for who := range byte(3) {
			f.Add(who, method, path, headers, body)
		}
	})
	_, address, _ := strings.Cut(s.plain, "://")
	f.Fuzz(func(t *testing.T, who byte, method, path, headers, body string) {
		if lower := strings.ToLower(headers); strings.Contains(lower, "transfer-encoding") || strings.Contains(lower, "content-length") || strings.Contains(lower, "expect") {
			return // it may have to wait for what never comes
		}
		network, to := "tcp", address
		switch who % 3 {
		case 1:
			headers = strings.TrimSuffix(robot.headers[0]+": "+robot.headers[1]+"\r\n"+headers, "\r\n")
		case 2:
			network, to = "unix", filepath.Join(s.dir, appliance.Socket)
		}
		conn, err := net.Dial(network, to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if headers != "" {
			headers += "\r\n"
		}
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", method, path, address, headers, len(body), body)
		if _, err := io.WriteString(conn, request); err != nil && !refusedEarly(err) {
			t.Fatal(err)
		}
		answered(t, s, conn, method)
	})
}

// refusedEarly reports whether a connection was closed before all was sent.
func refusedEarly(err error) bool {
	return strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe")
}

// answered reads one answer and proves what holds for all. Its body ends with the
// connection: to close one that is endless takes as long.
func answered(t *testing.T, s *site, conn net.Conn, method string) {
	got, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil && refusedEarly(err) {
		return // the answer is lost when the rest of a request is not read
	}
	if err != nil {
		t.Fatalf("no answer: %v\n%s", err, s.log)
	}
	kind := got.Header.Get("Content-Type")
	if got.StatusCode >= 500 && !slices.Contains([]int{http.StatusInsufficientStorage, http.StatusHTTPVersionNotSupported, http.StatusNotImplemented}, got.StatusCode) {
		content, _ := io.ReadAll(got.Body)
		t.Fatalf("%s %s\n%s", got.Status, content, s.log)
	}
	if got.StatusCode < 400 {
		return
	}
	content, err := io.ReadAll(got.Body)
	if err != nil && refusedEarly(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{s.dir, os.TempDir() + "/", "goroutine ", ".go:", "SQL", "\x1b"} {
		if bytes.Contains(content, []byte(secret)) {
			t.Fatalf("%s tells %q: %s", got.Status, secret, content)
		}
	}
	if kind == "application/problem+json" || kind == "application/json" {
		if len(content) > 0 && !json.Valid(content) {
			t.Fatalf("%s %s is no JSON: %s", got.Status, kind, content)
		}
	} else if !strings.HasPrefix(kind, "text/plain") && kind != "" { // what is no HTTP, and what is nobody's path
		t.Fatalf("%s %s: %s", got.Status, kind, content)
	}
}
