package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is one whose users log in at an idp.
type site struct {
	t      *testing.T
	auth   *auth.Auth
	db     *sqldb.DB
	server *httptest.Server
}

func (s *site) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.server.Certificate()) // all servers of net/http/httptest have the same
	return pool
}

func newSite(t *testing.T, issuer string, change func(*Options)) *site {
	t.Helper()
	s := &site{t: t}
	var err error
	s.db, err = sqldb.Open(t.Context(), filepath.Join(t.TempDir(), "l.db"), fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	log, err := audit.Open(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	if s.auth, err = auth.Open(t.Context(), s.db, auth.Options{Audit: log, Passwords: password.Params{Memory: 64, Time: 1, Threads: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.auth.AddUser(t.Context(), auth.NewUser{Name: "root", Password: "correct horse battery", Role: auth.Admin}); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	s.server = httptest.NewTLSServer(s.auth.Wrap(mux, func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusUnauthorized)
	}))
	t.Cleanup(s.server.Close)
	opts := Options{
		Issuer: issuer, ClientID: "site", ClientSecret: clientSecret, RootCAs: s.roots(),
		Roles: map[string]auth.Role{"ops": auth.Operator, "admins": auth.Admin, "staff": auth.Viewer},
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := 403
			if errors.Is(err, registry.ErrUnreachable) {
				status = 502
			}
			http.Error(w, err.Error(), status)
		},
	}
	if change != nil {
		change(&opts)
	}
	p, err := New(s.auth, opts)
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc(LoginPath, p.Login)
	mux.HandleFunc(CallbackPath, p.Callback)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		subject, _ := auth.SubjectOf(r.Context())
		fmt.Fprintf(w, "%s is %s %s", r.URL.Path, subject.Name, subject.Role)
	})
	return s
}

// browser is a client with cookies that follows redirects.
func (s *site) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := *s.server.Client()
	c.Jar = jar
	return &c
}

// get is where a browser ends and what it sees there.
func (s *site) get(c *http.Client, address string) (status int, path, body string) {
	s.t.Helper()
	a, err := c.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	content, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, a.Request.URL.RequestURI(), string(content)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, nil)
	if p.hits["/.well-known/openid-configuration"] != 0 {
		t.Error("the provider is asked before anybody logs in")
	}
	p.claims = map[string]any{"sub": "1", "preferred_username": "ann", "name": "Ann Example", "groups": []string{"staff", "ops", "other"}}
	b := s.browser()
	if status, path, body := s.get(b, s.server.URL+LoginPath+"?to=/content%3Fpage=2"); status != 200 || path != "/content?page=2" || body != "/content is ann operator" {
		t.Errorf("%d %s %s", status, path, body)
	}
	home, _ := url.Parse(s.server.URL)
	for _, k := range b.Jar.Cookies(home) {
		if k.Name != "__Host-landfall" {
			t.Errorf("left behind: %v", k)
		}
	}
	u, err := s.auth.UserByName(t.Context(), "ann")
	if err != nil || u.Display != "Ann Example" || u.Issuer != p.server.URL || u.Subject != "1" || u.HasPassword {
		t.Errorf("%+v, %v", u, err)
	}
	// Other groups, another role; the session of before has ended with the old one.
	p.set(func() { p.claims["groups"] = "staff" })
	if _, _, body := s.get(s.browser(), s.server.URL+LoginPath); body != "/ is ann viewer" {
		t.Error(body)
	}
	if _, _, body := s.get(b, s.server.URL); body != "/ is anonymous " {
		t.Error(body)
	}
	var n int
	if err := s.db.Read.QueryRow(`SELECT count(*) FROM audit WHERE action = 'login' AND actor = 'ann' AND via = 'oidc' AND outcome = 'ok'`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d logins are recorded, %v", n, err)
	}
}

// Claims that the id token has not come from the userinfo endpoint.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, func(o *Options) { o.NameClaim, o.GroupsClaim, o.DefaultRole = "nick", "roles", auth.Viewer })
	p.claims = map[string]any{"sub": "1"}
	p.info = map[string]any{"sub": "1", "nick": "ann", "roles": []any{"admins", 7}}
	if _, _, body := s.get(s.browser(), s.server.URL+LoginPath); body != "/ is ann admin" {
		t.Error(body)
	}
	p.set(func() { p.info["sub"] = "2" })
	if status, _, body := s.get(s.browser(), s.server.URL+LoginPath); status != 403 {
		t.Errorf("another user's claims: %d %s", status, body)
	}
	p.set(func() { p.info = map[string]any{"sub": "1", "nick": "ann"} })
	if _, _, body := s.get(s.browser(), s.server.URL+LoginPath); body != "/ is ann viewer" {
		t.Errorf("without groups: %s", body)
	}
}

// A provider's answer that proves nothing lets nobody in.
func TestForged(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, nil)
	p.claims = map[string]any{"sub": "1", "preferred_username": "ann", "groups": []string{"admins"}}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	claim := func(name string, value any) func(map[string]any) string {
		return func(c map[string]any) string {
			c = maps.Clone(c)
			c[name] = value
			if value == nil {
				delete(c, name)
			}
			return p.sign(jose.ES256, p.key, c)
		}
	}
	for what, forge := range map[string]func(map[string]any) string{
		"another nonce":    claim("nonce", "other"),
		"no nonce":         claim("nonce", nil),
		"another audience": claim("aud", "other"),
		"more audiences":   claim("aud", []string{"site", "other"}),
		"another party":    claim("azp", "other"),
		"another issuer":   claim("iss", "https://id.example"),
		"expired":          claim("exp", time.Now().Add(-time.Minute).Unix()),
		"no end":           claim("exp", nil),
		"no subject":       claim("sub", nil),
		"another hash":     claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
		"another key":      func(c map[string]any) string { return p.sign(jose.ES256, other, c) },
		"the client's secret as the key": func(c map[string]any) string {
			return p.sign(jose.HS256, []byte(clientSecret+clientSecret), c)
		},
		"no signature": func(c map[string]any) string {
			text, _ := json.Marshal(c)
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
		},
		"no id token": func(map[string]any) string { return "" },
		"garbage":     func(map[string]any) string { return "a.b.c" },
	} {
		p.set(func() { p.forge = forge })
		b := s.browser()
		status, _, body := s.get(b, s.server.URL+LoginPath)
		if status != 403 || strings.Contains(body, "nonce") || strings.Contains(body, "https://") {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if _, _, body := s.get(b, s.server.URL); body != "/ is anonymous " {
			t.Errorf("%s: %s", what, body)
		}
	}
	if users, _ := s.auth.Users(t.Context(), "", 10); len(users) != 1 {
		t.Errorf("users %v", users)
	}
}

// Whom the provider vouches for may still have no place here; that is recorded.
func TestNotHere(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, nil)
	for what, c := range map[string]map[string]any{
		"no group":                       {"sub": "1", "preferred_username": "ann", "groups": []string{"other"}},
		"no groups":                      {"sub": "1", "preferred_username": "ann"},
		"groups of another kind":         {"sub": "1", "preferred_username": "ann", "groups": map[string]any{"admins": true}},
		"the local administrator's name": {"sub": "1", "preferred_username": "ROOT", "groups": []string{"admins"}},
		"no name":                        {"sub": "1", "groups": []string{"admins"}},
		"a name that is none":            {"sub": "1", "preferred_username": "robot$ci", "groups": []string{"admins"}},
	} {
		p.set(func() { p.claims = c })
		if status, _, body := s.get(s.browser(), s.server.URL+LoginPath); status != 403 {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	var n int
	if err := s.db.Read.QueryRow(`SELECT count(*) FROM audit WHERE action = 'login' AND outcome = 'denied' AND via = 'oidc'`).Scan(&n); err != nil || n != 6 {
		t.Errorf("%d refusals are recorded, %v", n, err)
	}
}

// An answer counts in the browser that asked, once, and with its own state.
func TestState(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, nil)
	p.claims = map[string]any{"sub": "1", "preferred_username": "ann", "groups": []string{"admins"}}
	// begin stops a login at the provider's answer.
	begin := func(c *http.Client) (callback string) {
		stopping := *c
		stopping.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.URL.Path == CallbackPath {
				callback = r.URL.String()
				return http.ErrUseLastResponse
			}
			return nil
		}
		a, err := stopping.Get(s.server.URL + LoginPath)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		return callback
	}
	refused := func(what string, c *http.Client, address string) {
		t.Helper()
		if status, _, body := s.get(c, address); status != 403 {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if _, _, body := s.get(c, s.server.URL); body != "/ is anonymous " {
			t.Errorf("%s: %s", what, body)
		}
	}
	eve, victim := s.browser(), s.browser()
	refused("no login was begun", victim, begin(eve))
	begin(victim)
	refused("the answer to another browser", victim, begin(eve))
	callback := begin(victim)
	refused("without a state", victim, strings.Split(callback, "&state=")[0])
	refused("after one that was refused", victim, callback) // its cookie is gone
	callback = begin(victim)
	u, _ := url.Parse(callback)
	refused("an error", victim, s.server.URL+CallbackPath+"?error=access_denied%22%0a%3Cscript%3E&state="+u.Query().Get("state"))
	callback = begin(victim)
	if _, _, body := s.get(victim, callback); body != "/ is ann admin" {
		t.Error(body)
	}
	if status, _, _ := s.get(victim, callback); status != 403 {
		t.Errorf("again: %d", status)
	}
	// A code that was meant for another login does not fit its verifier.
	one, other := s.browser(), s.browser()
	a, _ := url.Parse(begin(one))
	b, _ := url.Parse(begin(other))
	q := a.Query()
	q.Set("code", b.Query().Get("code"))
	refused("another login's code", one, s.server.URL+CallbackPath+"?"+q.Encode())
}

// Nobody but the provider is spoken to, whatever it says.
func TestOnlyTheIssuer(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	var hits atomic.Int64
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for what, config := range map[string]map[string]any{
		"token endpoint": {"token_endpoint": elsewhere.URL + "/token"},
		"keys":           {"jwks_uri": elsewhere.URL + "/keys"},
		"userinfo":       {"userinfo_endpoint": elsewhere.URL + "/userinfo"},
		"without TLS":    {"token_endpoint": strings.Replace(p.server.URL, "https:", "ftp:", 1) + "/token"},
	} {
		s := newSite(t, p.server.URL, nil)
		p.set(func() {
			p.config = config
			p.claims = map[string]any{"sub": "1", "preferred_username": "ann", "groups": []string{"admins"}}
			if what == "userinfo" {
				delete(p.claims, "groups")
			}
		})
		if status, _, body := s.get(s.browser(), s.server.URL+LoginPath); status == 200 || strings.Contains(body, "is ann") {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	// Nor when the provider's own address leads elsewhere.
	redirecting := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(redirecting.Close)
	s := newSite(t, redirecting.URL, nil)
	if status, _, _ := s.get(s.browser(), s.server.URL+LoginPath); status != 502 {
		t.Errorf("redirected: %d", status)
	}
	if hits.Load() != 0 {
		t.Errorf("another host was spoken to %d times", hits.Load())
	}
	// Unless it was named.
	u, _ := url.Parse(elsewhere.URL)
	p.set(func() { p.config = map[string]any{"token_endpoint": elsewhere.URL + "/token"} })
	s = newSite(t, p.server.URL, func(o *Options) { o.Hosts = []string{u.Host} })
	s.get(s.browser(), s.server.URL+LoginPath)
	if hits.Load() == 0 {
		t.Error("a host that was named was not spoken to")
	}
}

// A provider that is away, lies about who it is or sends without end is no reason
// to wait or to fail; it is asked again.
func TestAway(t *testing.T) {
	t.Parallel()
	p := newIDP(t)
	s := newSite(t, p.server.URL, nil)
	p.claims = map[string]any{"sub": "1", "preferred_username": "ann", "groups": []string{"admins"}}
	p.config = map[string]any{"issuer": "https://other.example"}
	if status, _, body := s.get(s.browser(), s.server.URL+LoginPath); status != 502 || strings.Contains(body, "other.example") {
		t.Errorf("another issuer: %d %s", status, body)
	}
	p.set(func() { p.config = map[string]any{"padding": strings.Repeat("x", 2*maxAnswer)} })
	if status, _, _ := s.get(s.browser(), s.server.URL+LoginPath); status != 502 {
		t.Errorf("an endless answer: %d", status)
	}
	p.set(func() { p.config = nil })
	if _, _, body := s.get(s.browser(), s.server.URL+LoginPath); body != "/ is ann admin" {
		t.Error(body)
	}
	p.server.Close()
	away := newSite(t, p.server.URL, nil)
	if status, _, body := away.get(away.browser(), away.server.URL+LoginPath); status != 502 || !strings.Contains(body, "local users can log in") {
		t.Errorf("away: %d %s", status, body)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	roles := map[string]auth.Role{"a": auth.Viewer}
	for what, o := range map[string]Options{
		"nothing":             {},
		"no client":           {Issuer: "https://id.example", Roles: roles},
		"no role":             {Issuer: "https://id.example", ClientID: "a"},
		"a role that is none": {Issuer: "https://id.example", ClientID: "a", Roles: map[string]auth.Role{"a": "root"}},
		"no TLS":              {Issuer: "http://id.example", ClientID: "a", Roles: roles},
		"no address":          {Issuer: "id.example", ClientID: "a", Roles: roles},
	} {
		if _, err := New(nil, o); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, issuer := range []string{"https://id.example/realm", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"} {
		if _, err := New(nil, Options{Issuer: issuer, ClientID: "a", DefaultRole: auth.Viewer}); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

// A login that takes longer than ten minutes has to begin again, and nobody reads
// or changes what its browser keeps.
func TestSeal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSealer()
		sealed := s.close(pending{State: "a-secret-state", Expires: time.Now().Add(pendingFor)})
		if got, ok := s.open(sealed); !ok || got.State != "a-secret-state" {
			t.Errorf("%+v", got)
		}
		if plain, _ := base64.RawURLEncoding.DecodeString(sealed); strings.Contains(string(plain), "secret") {
			t.Error("it can be read")
		}
		if _, ok := newSealer().open(sealed); ok {
			t.Error("another process opens it")
		}
		for i := range sealed {
			changed := []byte(sealed)
			changed[i] ^= 1
			if _, ok := s.open(string(changed)); ok && i < len(sealed)-1 { // the last digit has spare bits
				t.Errorf("with a change at %d it opens", i)
			}
		}
		time.Sleep(pendingFor)
		if _, ok := s.open(sealed); ok {
			t.Error("after ten minutes it opens")
		}
	})
}

// Nobody is sent to another site, whatever the address says.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/content?page=2", "//evil.example", "/\\evil.example", "https://evil.example", "/%2f/evil", "/\tevil", "javascript:alert(1)", "/./\\evil", "/a#b"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://site.example/")
	f.Fuzz(func(t *testing.T, to string) {
		got := localPath(to)
		if got != to && got != "/" {
			t.Errorf("%q becomes %q", to, got)
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || strings.HasPrefix(got, "//") || strings.HasPrefix(got, "/\\") || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q leads to %v, %v", to, u, err)
		}
	})
}
