package registrytoken

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const goodPassword = "correct horse battery"

// site is a registry with identities, as clients see it.
type site struct {
	t      testing.TB
	auth   *auth.Auth
	log    *audit.Log
	gate   *Gate
	store  *store.Store
	server *httptest.Server
	open   atomic.Bool // everybody may pull
}

func newSite(t *testing.T, opts Options) *site {
	t.Helper()
	s := newBare(t, opts)
	mux := http.NewServeMux()
	mux.Handle("/v2/", s.gate.Wrap(engine.New(s.store, engine.Options{Access: s.gate})))
	mux.Handle(Path, s.gate)
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

// newBare is a site without a server.
func newBare(t testing.TB, opts Options) *site {
	t.Helper()
	s := &site{t: t}
	var err error
	if s.store, err = store.Open(t.Context(), t.TempDir(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.store.Close() })
	if s.log, err = audit.Open(t.Context(), s.store); err != nil {
		t.Fatal(err)
	}
	s.auth, err = auth.Open(t.Context(), s.store, auth.Options{Audit: s.log, AnonymousPull: s.open.Load, Passwords: password.Params{Memory: 64, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if s.gate, err = New(t.Context(), s.auth, opts); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) addUser(name string, role auth.Role, grants ...auth.Grant) auth.User {
	s.t.Helper()
	u, err := s.auth.AddUser(s.t.Context(), auth.NewUser{Name: name, Password: goodPassword, Role: role, Grants: grants})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *site) addToken(n auth.NewToken) (auth.Token, string) {
	s.t.Helper()
	token, text, err := s.auth.CreateToken(s.t.Context(), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return token, text
}

func basic(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

// reply is the answer to a request.
type reply struct {
	*http.Response
	body string
}

// do asks the site, with an Authorization header when there is one.
func (s *site) do(method, path, authorization, body string, headers ...string) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if method == http.MethodPost && path == Path {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	content, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{a, string(content)}
}

// want wants a status of a request.
func (s *site) want(status int, method, path, authorization string) reply {
	s.t.Helper()
	a := s.do(method, path, authorization, "")
	if a.StatusCode != status {
		s.t.Errorf("%s %s: %d, want %d: %s", method, path, a.StatusCode, status, a.body)
	}
	return a
}

// pass fetches a pass for scopes.
func (s *site) pass(authorization string, scopes ...string) string {
	s.t.Helper()
	a := s.want(200, "GET", Path+"?"+url.Values{"service": {DefaultService}, "scope": scopes}.Encode(), authorization)
	var got answer
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Token == "" || got.Token != got.AccessToken || got.ExpiresIn != 3600 || got.IssuedAt.IsZero() {
		s.t.Fatalf("%s: %v", a.body, err)
	}
	return "Bearer " + got.Token
}

var challengePattern = regexp.MustCompile(`^Bearer realm="([^"]*)",service="([^"]*)"(?:,scope="([^"]*)")?(?:,error="([^"]*)")?$`)

// challenged wants a challenge, and returns its scope and error.
func (r reply) challenged(t *testing.T, server string) (scope, problem string) {
	t.Helper()
	m := challengePattern.FindStringSubmatch(r.Header.Get("WWW-Authenticate"))
	if r.StatusCode != http.StatusUnauthorized || m == nil || m[1] != server+Path || m[2] != DefaultService || !strings.Contains(r.body, `"UNAUTHORIZED"`) {
		t.Fatalf("%d, %q, %s", r.StatusCode, r.Header.Get("WWW-Authenticate"), r.body)
	}
	return m[3], m[4]
}
