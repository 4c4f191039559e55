package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// A built UI is served with its page for its own paths, files whole, folders not
// listed, and nothing from elsewhere allowed to load.
func TestHandler(t *testing.T) {
	t.Parallel()
	h := handler(fstest.MapFS{"index.html": {Data: []byte("<page>")}, "assets/app.js": {Data: []byte("js")}, "assets/small.js.gz": {Data: zipped(t, "small")}})
	for _, c := range []struct {
		path, has, cache string
		status           int
	}{
		{"/", "<page>", "no-cache", 200},
		{"/setup", "<page>", "no-cache", 200},
		{"/index.html", "<page>", "no-cache", 200},
		{"/assets/app.js", "js", "immutable", 200},
		{"/assets/", "<page>", "no-cache", 200},
		{"/../web.go", "<page>", "no-cache", 200},
		{"/assets/gone.js", "404 page not found\n", "", 404},
		{"/assets/small.js", "small", "immutable", 200},
		{"/content/registry.example/app:1.2", "<page>", "no-cache", 200}, // a path of the UI
	} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest("GET", c.path, nil))
		policy := answer.Header().Get("Content-Security-Policy")
		if answer.Code != c.status || answer.Body.String() != c.has || !strings.Contains(answer.Header().Get("Cache-Control"), c.cache) ||
			!strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe-eval") {
			t.Errorf("%s: %d %q %v", c.path, answer.Code, answer.Body, answer.Header())
		}
	}
}

// What is compressed is sent so to those who take it.
func TestCompressed(t *testing.T) {
	t.Parallel()
	h := handler(fstest.MapFS{"index.html": {Data: []byte("<page>")}, "assets/app.js.gz": {Data: zipped(t, "content")}})
	for accept, want := range map[string]bool{"": false, "gzip, deflate, br": true, "br;q=1, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "*": true, "identity": false} {
		r := httptest.NewRequest("GET", "/assets/app.js", nil)
		r.Header.Set("Accept-Encoding", accept)
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		if got := answer.Header().Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: gzip is %v", accept, got)
		} else if got {
			var err error
			if body, err = unzip(body); err != nil {
				t.Fatal(err)
			}
		}
		if string(body) != "content" || answer.Header().Get("Vary") != "Accept-Encoding" || !strings.Contains(answer.Header().Get("Content-Type"), "javascript") {
			t.Errorf("%q: %q %v", accept, body, answer.Header())
		}
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
