package web

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// A built UI is served with its page for its own paths, files whole, folders not
// listed, and nothing from elsewhere allowed to load.
func TestHandler(t *testing.T) {
	t.Parallel()
	h := handler(fstest.MapFS{"index.html": {Data: []byte("<page>")}, "assets/app.js": {Data: []byte("js")}})
	for _, c := range []struct {
		path, has, cache string
		status           int
	}{
		{"/", "<page>", "no-cache", 200},
		{"/setup", "<page>", "no-cache", 200},
		{"/index.html", "<page>", "no-cache", 200},
		{"/assets/app.js", "js", "immutable", 200},
		{"/assets/", "<page>", "no-cache", 200},
		{"/../web.go", "404 page not found\n", "", 404},
		{"/assets/gone.js", "404 page not found\n", "", 404},
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
