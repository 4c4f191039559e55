package source_test

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
)

// place is a source to bring content to, with the password of its account.
type place struct {
	spec     source.Spec
	password string
	seen     *seen // what was asked of it
}

// seen remembers requests, and may answer them.
type seen struct {
	mu     sync.Mutex // protects the rest
	asked  []string   // METHOD URI
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func (s *seen) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
		answer := s.answer
		s.mu.Unlock()
		if answer == nil || !answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (s *seen) set(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// list are the requests that have all of some texts.
func (s *seen) list(texts ...string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(a, text) }) {
			list = append(list, a)
		}
	}
	return list
}

// landfall is another appliance's registry.
func landfall(t *testing.T) place {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	asked := &seen{}
	server := httptest.NewServer(asked.note(engine.New(s, engine.Options{})))
	t.Cleanup(server.Close)
	return place{spec: source.Spec{Type: source.External, URL: server.URL}, seen: asked}
}

// The account of the registry itself.
const (
	storageUser   = "storage"
	storageSecret = "storage-secret"
)

// programs are built once.
var programs struct {
	once  sync.Once
	dir   string
	rival string // distribution's registry
	err   error
}

// rival is the program of distribution's registry, which tests are skipped without,
// unless they run where all has to be there.
func rival(t *testing.T) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "source-test"); programs.err != nil {
			return
		}
		programs.rival = filepath.Join(programs.dir, "rival")
		out, err := exec.Command("go", "build", "-C", "../../test/bench", "-o", programs.rival, "./rival").CombinedOutput()
		if err != nil {
			programs.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if programs.err != nil && os.Getenv("CI") == "true" {
		t.Fatal(programs.err)
	}
	if programs.err != nil {
		t.Skip("distribution's registry cannot be built: ", programs.err)
	}
	return programs.rival
}

// suite runs the tests and takes away what they have built.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	defer func() { os.RemoveAll(programs.dir) }()
	return s.m.Run()
}

// distribution is the registry that most others are made of, which lets in one account.
func distribution(t *testing.T) place {
	t.Helper()
	program, dir := rival(t), t.TempDir()
	accounts := filepath.Join(dir, "htpasswd")
	hash, err := bcrypt.GenerateFromPassword([]byte(storageSecret), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(accounts, append([]byte(storageUser+":"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, filepath.Join(dir, "data"), accounts)
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	var drained sync.WaitGroup
	t.Cleanup(func() { c.Process.Signal(syscall.SIGTERM); drained.Wait(); c.Wait() })
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "serving "); ok {
			drained.Go(func() {
				for lines.Scan() {
				}
			})
			return proxied(t, address)
		}
	}
	t.Fatal("the registry did not begin")
	return place{}
}

// proxied is a registry through a proxy that sees what is asked.
func proxied(t *testing.T, address string) place {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	asked := &seen{}
	server := httptest.NewServer(asked.note(forward(to, nil)))
	t.Cleanup(server.Close)
	return place{spec: source.Spec{Type: source.External, URL: server.URL, Username: storageUser}, password: storageSecret, seen: asked}
}

// forward hands requests on, changed by change.
func forward(to *url.URL, change func(out *http.Request)) http.Handler {
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
		if change != nil {
			change(r.Out)
		}
	}, ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
		if r.Context().Err() == nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	}}
}

// The accounts of a Harbor.
const (
	robot       = "robot$edge"
	reader      = "robot$reader" // may pull only
	robotSecret = "robot-secret"
)

// harborStandIn plays what of a Harbor counts here, since none can be had: its API's word
// about projects, tokens for the accounts, and that the first part of a repository is a
// project. Behind it is distribution's registry, as in a Harbor.
type harborStandIn struct {
	projects []string
	registry http.Handler

	mu     sync.Mutex        // protects tokens
	tokens map[string]string // account by token
}

// harbor is a Harbor with the project edge, over TLS.
func harbor(t *testing.T) place {
	t.Helper()
	behind := distribution(t)
	to, err := url.Parse(behind.spec.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := &harborStandIn{projects: []string{"edge"}, tokens: map[string]string{},
		registry: forward(to, func(out *http.Request) { out.SetBasicAuth(storageUser, storageSecret) })}
	asked := &seen{}
	server := httptest.NewTLSServer(asked.note(h))
	t.Cleanup(server.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return place{spec: source.Spec{Type: source.Harbor, URL: server.URL, Project: "edge", Username: robot, CA: ca}, password: robotSecret, seen: asked}
}

// ServeHTTP implements http.Handler.
func (h *harborStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := h.account(r)
	switch {
	case r.URL.Path == "/api/v2.0/projects" && r.Method == http.MethodHead:
		switch {
		case user == "":
			w.WriteHeader(http.StatusUnauthorized)
		case !slices.Contains(h.projects, r.URL.Query().Get("project_name")):
			w.WriteHeader(http.StatusNotFound)
		}
	case r.URL.Path == "/service/token":
		h.token(w, r, user)
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		h.protocol(w, r, user)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// account is who asks, by name and secret or by token; empty for nobody.
func (h *harborStandIn) account(r *http.Request) string {
	if user, secret, ok := r.BasicAuth(); ok && secret == robotSecret && (user == robot || user == reader) {
		return user
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tokens[token]
}

func (h *harborStandIn) token(w http.ResponseWriter, r *http.Request, user string) {
	switch {
	case r.Method != http.MethodGet: // a Harbor knows no OAuth2 here
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case user == "" && r.Header.Get("Authorization") != "":
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	token := fmt.Sprintf("token-%d", len(h.tokens))
	h.tokens[token] = user
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 1800})
}

func (h *harborStandIn) protocol(w http.ResponseWriter, r *http.Request, user string) {
	project, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	writes := r.Method != http.MethodGet && r.Method != http.MethodHead
	if user == "" || writes && user != robot || r.URL.Path != "/v2/" && !slices.Contains(h.projects, project) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+r.Host+`/service/token",service="harbor-registry"`)
		say(w, http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository: "+project+", action: push")
		return
	}
	h.registry.ServeHTTP(w, r)
}

// say answers as registries say no.
func say(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": code, "message": message}}})
}

// until is a context that ends when a place has taken so many blobs. It does not take the
// next one; cut is the digest of that, as in addresses.
func until(ctx context.Context, p place, blobs int) (_ context.Context, cut func() string) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex // protects count and last
	count, last := 0, ""
	p.seen.set(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/blobs/uploads/") {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if count++; count <= blobs {
			return false
		}
		_, last, _ = strings.Cut(r.URL.RequestURI(), "digest=")
		cancel()
		panic(http.ErrAbortHandler)
	})
	return ctx, func() string {
		cancel()
		p.seen.set(nil)
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}
