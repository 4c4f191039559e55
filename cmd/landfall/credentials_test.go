package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// listener remembers who showed what.
type listener struct {
	*httptest.Server
	mu    sync.Mutex // protects shown
	shown []string
}

func newListener(t *testing.T, h http.HandlerFunc) *listener {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		l.shown = append(l.shown, r.Header.Get("Authorization"))
		l.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// The token reaches the server that it is for, and neither its token endpoint nor
// what it sends clients to.
func TestTokenForOneRegistry(t *testing.T) {
	t.Parallel()
	other := newListener(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) })
	server := newListener(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret-token":
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://token.example/",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path != "/v2/":
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}
	})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret-token\n# of the site\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &siteFlags{server: server.URL, tokenFile: file}
	u, _ := url.Parse(server.URL)
	own := map[string]remote.Host{u.Host: {Credentials: remote.Credentials{Username: "ada", PasswordEnv: "NOSUCH"}}}
	for _, hosts := range []map[string]remote.Host{nil, own} { // what the command line says counts
		s, err := f.dialRegistry(server.URL, hosts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Resolve(t.Context(), registry.Ref{Repository: "a/b", Tag: "c"})
		if err == nil || strings.Contains(err.Error(), "secret-token") {
			t.Error(err)
		}
	}
	if own[u.Host].Credentials.TokenFile != "" {
		t.Error("the caller's hosts were changed")
	}
	if !slices.Contains(server.shown, "Bearer secret-token") || len(other.shown) == 0 || slices.ContainsFunc(other.shown, func(s string) bool { return s != "" }) {
		t.Errorf("the server saw %q, another %q", server.shown, other.shown)
	}
}

// What cannot be a token, or would be read by others, is refused before anybody is
// spoken to, and not shown.
func TestTokenRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good", "s3cret")
	for _, c := range []struct{ server, file, env string }{
		{"http://192.0.2.1", good, ""},
		{"http://192.0.2.1", "", "s3cret"},
		{"https://192.0.2.1", write("spaces", "s3cret s3cret"), ""},
		{"https://192.0.2.1", write("empty", "\ns3cret"), "s3cret"},
		{"https://192.0.2.1", write("binary", "s3cret\x00"), ""},
		{"https://192.0.2.1", filepath.Join(dir, "nosuch"), "s3cret"},
		{"https://192.0.2.1", "", "s3cret\nHost: x"},
	} {
		t.Setenv(tokenEnv, c.env)
		f := &siteFlags{server: c.server, tokenFile: c.file}
		_, err := f.dialRegistry(c.server, nil)
		if exitCode(t.Context(), err) != exitUsage || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := f.dial(c.server); exitCode(t.Context(), err) != exitUsage {
			t.Errorf("%+v: %v", c, err)
		}
	}
	t.Setenv(tokenEnv, "s3cret")
	if token, err := (&siteFlags{data: dir}).token(); token != "" || err != nil {
		t.Errorf("without --server the token is %q, %v", token, err)
	}
	if code := run(context.Background(), []string{"user", "ls", "--token-file", good}); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}
