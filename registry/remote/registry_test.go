package remote

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

// reader hides that bytes could be sought in.
func reader(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }

func caFile(t *testing.T, s *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOptions(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "x")
	os.WriteFile(notPEM, []byte("x"), 0o600)
	for name, opts := range map[string]Options{
		"no scheme":   {Server: "10.0.0.1:5000"},
		"with a path": {Server: "http://10.0.0.1:5000/v2"},
		"credentials": {Server: "http://a:b@10.0.0.1:5000"},
		"relative":    {Server: "unix://landfall.sock"},
		"no CA file":  {CAFile: filepath.Join(t.TempDir(), "nosuch")},
		"not a CA":    {CAFile: notPEM},
		"no CA":       {CA: []byte("no PEM")},
	} {
		_, err := New(opts)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		wantError(t, err, registry.ErrInvalid)
	}
}

func TestUnreachablePort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	for _, opts := range []Options{{}, {PlainHTTP: true}, {Server: "http://" + host}, {Server: "https://" + host}} {
		_, err = newTest(t, opts).Resolve(t.Context(), registry.Ref{Repository: host + "/app", Tag: "v1"})
		wantError(t, err, registry.ErrUnreachable, host, "refused", host+"/app:v1")
	}
}

func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(foreign())
	s.Config.ErrorLog = nolog
	s.StartTLS()
	defer s.Close()
	_, err := newTest(t, Options{Server: s.URL}).Resolve(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
	wantError(t, err, registry.ErrUnreachable, "certificate", "CA file")
}

// https that was asked for is never given up for http, which go-containerregistry
// would with every private address.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	h := &counter{Handler: foreign()}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = nolog
	s.Start()
	defer s.Close()
	_, err := newTest(t, Options{Server: strings.Replace(s.URL, "http", "https", 1)}).Resolve(t.Context(), registry.Ref{Repository: app, Tag: "v1"})
	wantError(t, err, registry.ErrUnreachable)
	if len(h.seen) > 0 {
		t.Errorf("spoken to over http: %q", h.seen)
	}
	g := &guard{inner: http.DefaultTransport, host: "10.0.0.1:5000", scheme: "https"}
	req := httptest.NewRequest(http.MethodGet, "http://10.0.0.1:5000/v2/", nil)
	if _, err := g.RoundTrip(req); err != errPlain {
		t.Errorf("a private address over http: %v", err)
	}
}

func basic(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if user, password, _ := req.BasicAuth(); user != "ann" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, req)
	})
}

// bearer hands out tokens that say what they are for, at /token.
func bearer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/token" {
			if user, password, _ := req.BasicAuth(); user != "ann" || password != "right" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			token := base64.RawURLEncoding.EncodeToString([]byte(strings.Join(req.URL.Query()["scope"], " ")))
			json.NewEncoder(w).Encode(map[string]string{"token": token})
			return
		}
		scope, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		if !strings.Contains(string(scope), "repository:"+app) || req.Method != "GET" && req.Method != "HEAD" && !strings.Contains(string(scope), "push") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, req)
	})
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(http.Handler) http.Handler{"basic": basic, "bearer": bearer} {
		for password, right := range map[string]bool{"right": true, "wrong": false, "": false} {
			t.Run(name+" "+password, func(t *testing.T) {
				t.Parallel()
				s := httptest.NewServer(wrap(&strict{}))
				defer s.Close()
				host := strings.TrimPrefix(s.URL, "http://")
				keys := keychain{}
				if password != "" {
					keys[host] = authn.AuthConfig{Username: "ann", Password: password}
				}
				r := newTest(t, Options{Server: s.URL, Keychain: keys})
				content := bytesOf(100)
				err := r.PutBlob(t.Context(), app, blobOf(content), reader(content))
				if right {
					if err != nil {
						t.Fatal(err)
					}
					if _, err := registry.ReadBlob(t.Context(), r, app, blobOf(content)); err != nil {
						t.Error(err)
					}
					return
				}
				wantError(t, err, registry.ErrDenied, host, "docker login "+host, app)
			})
		}
	}
}

// A redirect is followed, and the credentials stay.
func TestRedirectWithoutCredentials(t *testing.T) {
	t.Parallel()
	content := bytesOf(1000)
	var leaked atomic.Bool
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		leaked.Store(leaked.Load() || req.Header.Get("Authorization") != "")
		w.Write(content)
	}))
	defer cdn.Close()
	for name, wrap := range map[string]func(http.Handler) http.Handler{"basic": basic, "bearer": bearer} {
		s := httptest.NewServer(wrap(v2(func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, cdn.URL+"/x", http.StatusTemporaryRedirect)
		})))
		defer s.Close()
		keys := keychain{strings.TrimPrefix(s.URL, "http://"): {Username: "ann", Password: "right"}}
		r := newTest(t, Options{Server: s.URL, Keychain: keys})
		if _, err := registry.ReadBlob(t.Context(), r, app, blobOf(content)); err != nil || leaked.Load() {
			t.Errorf("%s: %v, credentials sent on: %v", name, err, leaked.Load())
		}
	}
}

// A token that has run out is renewed, and the body sent again from its start.
func TestTokenRunsOut(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	config := f.Content[f.Graph.Blobs[0].Descriptor.Digest]
	for what, put := range map[string]func(*Registry) error{
		"manifest": func(r *Registry) error {
			return r.PutManifest(t.Context(), f.Names[1], f.Tool, f.Content[f.Tool.Digest])
		},
		"blob": func(r *Registry) error { return r.PutBlob(t.Context(), app, blobOf(config), bytes.NewReader(config)) },
	} {
		var puts atomic.Int64
		var stored []byte
		registry := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			switch {
			case req.Method != http.MethodPut:
				w.Header().Set("Location", "/v2/upload")
				w.WriteHeader(http.StatusAccepted)
			case puts.Add(1) == 1:
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				stored = body
				w.WriteHeader(http.StatusCreated)
			}
		})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Path == "/token":
				io.WriteString(w, `{"token":"t"}`)
			case req.Header.Get("Authorization") == "":
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+req.Host+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				registry.ServeHTTP(w, req)
			}
		}))
		defer s.Close()
		if err := put(newTest(t, Options{Server: s.URL})); err != nil || puts.Load() != 2 || len(stored) == 0 {
			t.Errorf("%s: %v, %d PUTs, %d bytes", what, err, puts.Load(), len(stored))
		}
	}
}
