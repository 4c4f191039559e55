package registrytoken

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// The steps of docker login and pull, as docker takes them.
func TestDockerLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", auth.Viewer)
	_, personal := s.addToken(auth.NewToken{Name: "laptop", Owner: u.ID})
	_, robot := s.addToken(auth.NewToken{Name: "ci", Role: auth.Viewer})
	for _, login := range []string{basic("ann", goodPassword), basic("ann", personal), basic("robot$ci", robot)} {
		if scope, problem := s.do("GET", "/v2/", "", "").challenged(t, s.server.URL); scope != "" || problem != "" {
			t.Errorf("scope %q, error %q", scope, problem)
		}
		a := s.want(200, "GET", Path+"?account=ann&client_id=docker&offline_token=true&service=landfall", login)
		if strings.Contains(a.body, "refresh") || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v %s", a.Header, a.body)
		}
		s.want(200, "GET", "/v2/", s.pass(login))
		s.want(200, "GET", "/v2/", login) // as podman does
		s.want(404, "GET", "/v2/library/nginx/manifests/latest", s.pass(login, "repository:library/nginx:pull"))
	}
	s.want(200, "GET", "/v2/", "Bearer "+robot)
	for _, bad := range []string{basic("ann", "wrong horse battery"), basic("nobody", goodPassword), basic("ann", robot), basic("ci", robot), "Bearer x", "Basic x"} {
		a := s.want(401, "GET", Path+"?service=landfall", bad)
		if a.Header.Get("WWW-Authenticate") != `Basic realm="landfall"` || !strings.Contains(a.body, `"UNAUTHORIZED"`) {
			t.Errorf("%q %s", a.Header.Get("WWW-Authenticate"), a.body)
		}
		if _, problem := s.do("GET", "/v2/", bad, "").challenged(t, s.server.URL); problem != invalidToken {
			t.Errorf("error %q", problem)
		}
	}
	s.want(401, "GET", Path, "")                                 // nobody may do anything
	s.want(401, "GET", Path, s.pass(basic("ann", goodPassword))) // a pass makes no passes
	s.want(400, "GET", Path+"?service=registry.docker.io", basic("ann", goodPassword))
	s.want(400, "GET", Path+"?scope=x", basic("ann", goodPassword))
	s.want(400, "GET", Path+"?scope=%zz", basic("ann", goodPassword))
	s.want(405, "PUT", Path, basic("ann", goodPassword))
}

// POST is OAuth2: as containerd logs in, and docker with an identity token.
func TestOAuth(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", auth.Operator)
	_, text := s.addToken(auth.NewToken{Name: "laptop", Owner: u.ID})
	form := func(pairs ...string) string {
		v := url.Values{"service": {DefaultService}, "client_id": {"containerd"}, "scope": {"repository:a:pull,push repository:b:pull", "registry:catalog:*"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	for _, c := range []struct {
		body   string
		status int
		code   string
	}{
		{form("grant_type", "password", "username", "ann", "password", goodPassword), 200, ""},
		{form("grant_type", "password", "username", "ann", "password", text), 200, ""},
		{form("grant_type", "refresh_token", "refresh_token", text), 200, ""},
		{form("grant_type", "password", "username", "ann", "password", "wrong horse battery"), 400, "invalid_grant"},
		{form("grant_type", "refresh_token", "refresh_token", "x"), 400, "invalid_grant"},
		{form("grant_type", "authorization_code", "code", "x"), 400, "unsupported_grant_type"},
		{form("grant_type", "password", "scope", "x"), 400, "invalid_scope"},
		{form("grant_type", "password", "service", "x"), 400, "invalid_scope"},
		{strings.Repeat("x", maxForm+1), 400, "invalid_request"},
		{"%zz", 400, "invalid_request"},
		{"", 400, "unsupported_grant_type"},
	} {
		a := s.do("POST", Path, "", c.body)
		var got struct {
			AccessToken string `json:"access_token"`
			Scope       string `json:"scope"`
			Error       string `json:"error"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != c.status || got.Error != c.code {
			t.Errorf("%.80q: %d %s", c.body, a.StatusCode, a.body)
		}
		if c.status == 200 {
			if got.Scope != "repository:a:pull,push repository:b:pull registry:catalog:*" {
				t.Errorf("scope %q", got.Scope)
			}
			s.want(200, "GET", "/v2/_catalog", "Bearer "+got.AccessToken)
		}
	}
}

// What everybody may do while pulls are open, and not.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	const pull, push = "/v2/a/manifests/latest", "/v2/a/blobs/uploads/"
	for _, method := range []string{"GET", "HEAD"} {
		a := s.want(401, method, pull, "")
		if a.Header.Get("WWW-Authenticate") != `Bearer realm="`+s.server.URL+Path+`",service="landfall",scope="repository:a:pull"` {
			t.Errorf("%q", a.Header.Get("WWW-Authenticate"))
		}
	}
	if scope, _ := s.do("POST", push, "", "").challenged(t, s.server.URL); scope != "repository:a:pull,push" {
		t.Errorf("scope %q", scope)
	}
	s.open.Store(true)
	s.want(404, "GET", pull, "") // containerd asks for no token first
	s.do("GET", "/v2/", "", "").challenged(t, s.server.URL)
	pass := s.pass("", "repository:a:pull,push,delete", "registry:catalog:*")
	s.want(200, "GET", "/v2/", pass)
	s.want(404, "GET", pull, pass)
	s.want(200, "GET", "/v2/_catalog", pass)
	s.do("POST", push, pass, "").challenged(t, s.server.URL)
	s.do("POST", push, "", "").challenged(t, s.server.URL)
	s.do("DELETE", pull, pass, "").challenged(t, s.server.URL)
	s.open.Store(false) // counts at once
	s.do("GET", pull, pass, "").challenged(t, s.server.URL)
	s.do("GET", pull, "", "").challenged(t, s.server.URL)
}

// A pass does what it was asked for and the subject may; who may not is told so,
// and who has to ask again is told that.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("viewer", auth.Viewer)
	s.addUser("operator", auth.Operator)
	s.addUser("admin", auth.Admin)
	_, library := s.addToken(auth.NewToken{Name: "library", Grants: []auth.Grant{{Prefix: "docker.io/library", Actions: []string{"pull"}}, {Prefix: "quay.io/org/", Actions: []string{"push"}}}})
	viewer, operator, admin, robot := basic("viewer", goodPassword), basic("operator", goodPassword), basic("admin", goodPassword), basic("robot$library", library)
	all := "repository:a:pull,push,delete"
	for _, c := range []struct {
		login  string
		scopes []string
		method string
		path   string
		status int
	}{
		{viewer, []string{all}, "GET", "/v2/a/manifests/x", 404},
		{viewer, []string{all}, "POST", "/v2/a/blobs/uploads/", 403},
		{viewer, []string{all}, "DELETE", "/v2/a/manifests/x", 403},
		{viewer, []string{"repository:a:*"}, "GET", "/v2/a/manifests/x", 404},
		{viewer, []string{"repository:a:push"}, "GET", "/v2/a/manifests/x", 401},
		{viewer, nil, "GET", "/v2/a/manifests/x", 401},
		{viewer, []string{all}, "GET", "/v2/b/manifests/x", 401},
		{viewer, []string{all + " repository:b:pull"}, "GET", "/v2/b/manifests/x", 404},
		{viewer, []string{all, "repository:b:pull"}, "GET", "/v2/b/manifests/x", 404},
		{viewer, []string{"registry:catalog:*"}, "GET", "/v2/_catalog", 200},
		{viewer, []string{all}, "GET", "/v2/_catalog", 401},
		{operator, []string{all}, "POST", "/v2/a/blobs/uploads/", 202},
		{operator, []string{"repository:a:pull"}, "POST", "/v2/a/blobs/uploads/", 401},
		{operator, []string{all}, "DELETE", "/v2/a/manifests/x", 403},
		{admin, []string{all}, "DELETE", "/v2/a/manifests/x", 404},
		{admin, []string{"repository:a:pull,push"}, "DELETE", "/v2/a/manifests/x", 401},
		{admin, []string{"repository(plugin):a:pull"}, "GET", "/v2/a/manifests/x", 404},
		{admin, []string{"image:a:pull"}, "GET", "/v2/a/manifests/x", 401},
		{robot, []string{"repository:docker.io/library/nginx:pull"}, "GET", "/v2/docker.io/library/nginx/manifests/x", 404},
		{robot, []string{"repository:library/nginx:pull"}, "GET", "/v2/library/nginx/manifests/x?ns=docker.io", 404},
		{robot, []string{"repository:nginx:pull"}, "GET", "/v2/docker.io/library/nginx/manifests/x", 404},
		{robot, []string{"repository:org/app:pull"}, "GET", "/v2/org/app/manifests/x?ns=quay.io", 404},
		{robot, []string{"repository:org/app:pull"}, "GET", "/v2/quay.io/org/app/manifests/x", 401},
		{robot, []string{"repository:quay.io/org/app:pull,push"}, "POST", "/v2/quay.io/org/app/blobs/uploads/", 202},
		{robot, []string{"repository:quay.io/organisation/app:pull,push"}, "POST", "/v2/quay.io/organisation/app/blobs/uploads/", 403},
		{robot, []string{"repository:docker.io/library/nginx:pull,push"}, "POST", "/v2/docker.io/library/nginx/blobs/uploads/", 403},
		{robot, []string{"repository:nginx:pull,push"}, "POST", "/v2/docker.io/library/nginx/blobs/uploads/", 403},
		{robot, []string{"registry:catalog:*"}, "GET", "/v2/_catalog", 403},
	} {
		a := s.do(c.method, c.path, s.pass(c.login, c.scopes...), "")
		if a.StatusCode != c.status {
			t.Errorf("%q: %s %s: %d %s, want %d", c.scopes, c.method, c.path, a.StatusCode, a.body, c.status)
		}
		if a.StatusCode == 401 {
			if _, problem := a.challenged(t, s.server.URL); problem != insufficientScope {
				t.Errorf("%q: %s: error %q", c.scopes, c.path, problem)
			}
		}
	}
}

// Whatever has ended ends its passes at once.
func TestPassesEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("root", auth.Admin)
	const path = "/v2/a/manifests/x"
	scope := "repository:a:pull"
	for what, end := range map[string]func(u auth.User, personal auth.Token) error{
		"disabled": func(u auth.User, _ auth.Token) error {
			yes := true
			_, err := s.auth.ChangeUser(t.Context(), u.ID, u.Version, auth.UserPatch{Disabled: &yes})
			return err
		},
		"another password": func(u auth.User, _ auth.Token) error {
			secret := "another good password"
			_, err := s.auth.ChangeUser(t.Context(), u.ID, u.Version, auth.UserPatch{Password: &secret})
			return err
		},
		"removed": func(u auth.User, _ auth.Token) error { return s.auth.RemoveUser(t.Context(), u.ID, u.Version) },
		"revoked": func(_ auth.User, personal auth.Token) error { return s.auth.RevokeToken(t.Context(), personal.ID) },
	} {
		user := strings.ReplaceAll(what, " ", "-")
		u := s.addUser(user, auth.Viewer)
		personal, text := s.addToken(auth.NewToken{Name: user, Owner: u.ID})
		byPassword, byToken := s.pass(basic(user, goodPassword), scope), s.pass(basic(user, text), scope)
		s.want(404, "GET", path, byPassword)
		s.want(404, "GET", path, byToken)
		if err := end(u, personal); err != nil {
			t.Fatal(err)
		}
		for kind, pass := range map[string]string{"password": byPassword, "token": byToken} {
			status := 401
			if what == "revoked" && kind == "password" || what == "another password" && kind == "token" {
				status = 404 // has nothing to do with it
			}
			if a := s.do("GET", path, pass, ""); a.StatusCode != status {
				t.Errorf("%s: the pass by %s: %d, want %d", what, kind, a.StatusCode, status)
			} else if status == 401 {
				if _, problem := a.challenged(t, s.server.URL); problem != invalidToken {
					t.Errorf("error %q", problem)
				}
			}
		}
	}
	// A lesser role counts at once, in the pass of a token, too.
	u := s.addUser("lesser", auth.Operator)
	_, text := s.addToken(auth.NewToken{Name: "lesser", Owner: u.ID})
	pass := s.pass(basic("lesser", text), "repository:a:pull,push")
	s.want(202, "POST", "/v2/a/blobs/uploads/", pass)
	viewer := auth.Viewer
	if _, err := s.auth.ChangeUser(t.Context(), u.ID, u.Version, auth.UserPatch{Role: &viewer}); err != nil {
		t.Fatal(err)
	}
	s.want(403, "POST", "/v2/a/blobs/uploads/", pass)
	s.want(404, "GET", path, pass)
}

// Failed logins at the registry count as elsewhere.
func TestLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newBare(t, Options{})
		s.addUser("ann", auth.Viewer)
		do := func(h http.Handler, method, path, authorization, form string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form))
			r.Header.Set("Authorization", authorization)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for range 5 {
			if a := do(s.gate, "GET", Path, basic("ann", "wrong horse battery"), ""); a.Code != 401 {
				t.Errorf("%d %s", a.Code, a.Body)
			}
		}
		form := url.Values{"grant_type": {"password"}, "username": {"ann"}, "password": {goodPassword}}.Encode()
		for _, a := range []*httptest.ResponseRecorder{
			do(s.gate, "GET", Path, basic("ann", goodPassword), ""), do(s.gate, "POST", Path, "", form), do(s.gate.Wrap(http.NotFoundHandler()), "GET", "/v2/", basic("ann", goodPassword), ""),
		} {
			if a.Code != 429 || a.Header().Get("Retry-After") != "1" || !strings.Contains(a.Body.String(), `"TOOMANYREQUESTS"`) {
				t.Errorf("%d %v %s", a.Code, a.Header(), a.Body)
			}
		}
	})
}

// A real client pushes, pulls, lists and deletes.
func TestClient(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("admin", auth.Admin)
	u := s.addUser("ann", auth.Viewer, auth.Grant{Prefix: "team", Actions: []string{"push"}})
	_, text := s.addToken(auth.NewToken{Name: "t", Owner: u.ID})
	host := strings.TrimPrefix(s.server.URL, "http://")
	ref := func(path string) name.Reference {
		r, err := name.ParseReference(host + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	image, err := random.Image(1000, 3)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	as := func(user, secret string) []remote.Option {
		return []remote.Option{remote.WithAuth(&authn.Basic{Username: user, Password: secret}), remote.WithTransport(transport), remote.WithContext(t.Context())}
	}
	nobody := []remote.Option{remote.WithTransport(transport), remote.WithContext(t.Context())}
	denied := func(what string, status int, err error) {
		t.Helper()
		if status == 0 && err == nil {
			return
		}
		if e := (*transportError)(nil); !errors.As(err, &e) || e.StatusCode != status {
			t.Errorf("%s: %v, want %d", what, err, status)
		}
	}
	for _, secret := range []string{goodPassword, text} {
		denied("push to team", 0, remote.Write(ref("team/app:v1"), image, as("ann", secret)...))
		denied("push elsewhere", 403, remote.Write(ref("other/app:v1"), image, as("ann", secret)...))
		_, err = remote.Image(ref("team/app:v1"), as("ann", secret)...)
		denied("pull", 0, err)
		denied("delete", 403, remote.Delete(ref("team/app:v1"), as("ann", secret)...))
	}
	_, err = remote.Image(ref("team/app:v1"), nobody...)
	denied("pull by nobody", 401, err)
	s.open.Store(true)
	_, err = remote.Image(ref("team/app:v1"), nobody...)
	denied("open pull by nobody", 0, err)
	denied("push by nobody", 401, remote.Write(ref("team/app:v2"), image, nobody...))
	denied("cross mount", 0, remote.Write(ref("docker.io/library/x:v1"), image, as("admin", goodPassword)...))
	list, err := remote.Catalog(t.Context(), ref("x").Context().Registry, as("ann", text)...)
	if err != nil || !slices.Equal(list, []string{"docker.io/library/x", "team/app"}) {
		t.Errorf("catalog %q, %v", list, err)
	}
	_, err = remote.Image(ref("x:v1"), nobody...)
	denied("pull by an alias of docker.io", 0, err)
	denied("delete by an admin", 0, remote.Delete(ref("team/app:v1"), as("admin", goodPassword)...))
}

type transportError = transport.Error

// Who makes a request is in its context, for the audit log.
func TestContext(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	_, text := s.addToken(auth.NewToken{Name: "ci", Role: auth.Operator})
	var got []string
	h := s.gate.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		subject, _ := auth.SubjectOf(r.Context())
		_, err := s.gate.Authorized(r)
		got = append(got, fmt.Sprint(subject.Name, " ", subject.Kind, " ", subject.Via, " ", err == nil))
	}))
	for _, header := range []string{"", "Bearer " + text, s.pass("Bearer "+text, "repository:a:pull"), basic("robot$ci", text), "Bearer x"} {
		r := httptest.NewRequest("GET", "/v2/", nil)
		r.Header.Set("Authorization", header)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	robot := "robot$ci robot token true"
	if want := []string{"anonymous anonymous  false", robot, robot, robot, "   false"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is pushed is recorded with who did it.
func TestRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.store.OnChange(s.log.Recorder())
	_, text := s.addToken(auth.NewToken{Name: "ci", Role: auth.Operator})
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`
	a := s.do("PUT", "/v2/team/app/manifests/v1", s.pass(basic("robot$ci", text), "repository:team/app:pull,push"), manifest, "Content-Type", "application/vnd.oci.image.index.v1+json")
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	var n int
	db, err := s.store.Tables(t.Context(), "audit_test", fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}})
	if err == nil {
		err = db.Read.QueryRow(`SELECT count(*) FROM audit WHERE actor = 'robot$ci' AND kind = 'robot' AND via LIKE 'token:%' AND address <> '' AND target LIKE 'team/app%'`).Scan(&n)
	}
	if err != nil || n == 0 {
		t.Errorf("%d records of the push, %v", n, err)
	}
}

// On the unix socket nothing has to be shown.
func TestSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	server := httptest.NewUnstartedServer(s.server.Config.Handler)
	server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("unix", filepath.Join(t.TempDir(), "s")); err != nil {
		t.Fatal(err)
	}
	server.Config.ConnContext = auth.ConnContext
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", server.Listener.Addr().String())
	}}}
	for path, status := range map[string]int{"/v2/": 200, "/v2/_catalog": 200, "/v2/a/manifests/x": 404} {
		a, err := client.Get("http://site" + path)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != status {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	a, err := client.Post("http://site/v2/a/blobs/uploads/", "", nil)
	if err != nil || a.StatusCode != http.StatusAccepted {
		t.Fatalf("%v, %v", a, err)
	}
	a.Body.Close()
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newBare(t, Options{Lifetime: 5 * time.Minute})
		_, text := s.addToken(auth.NewToken{Name: "ci", Role: auth.Viewer})
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", Path+"?scope=repository:a:pull", nil)
		r.Header.Set("Authorization", "Bearer "+text)
		s.gate.ServeHTTP(w, r)
		var got answer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ExpiresIn != 300 {
			t.Fatalf("%s, %v", w.Body, err)
		}
		try := func() error {
			r := httptest.NewRequest("GET", "/v2/", nil)
			r.Header.Set("Authorization", "Bearer "+got.Token)
			_, err := s.gate.Authorized(r)
			return err
		}
		time.Sleep(5*time.Minute - time.Second)
		if err := try(); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if err := try(); !errors.Is(err, auth.ErrUnauthenticated) {
			t.Errorf("expired: %v", err)
		}
	})
	s := newSite(t, Options{})
	for _, bad := range []time.Duration{time.Minute, 2 * time.Hour, -1} {
		if _, err := New(t.Context(), s.auth, Options{Lifetime: bad}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// What fails at the site is no client's fault, and tells it no paths.
func TestBroken(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	_, text := s.addToken(auth.NewToken{Name: "ci", Role: auth.Viewer})
	s.store.Close()
	for _, a := range []reply{
		s.do("GET", Path, "Bearer "+text, ""), s.do("POST", Path, "", "grant_type=refresh_token&refresh_token="+text), s.do("GET", "/v2/", "Bearer "+text, ""),
	} {
		if a.StatusCode != 500 || bytes.Contains([]byte(a.body), []byte("/tmp")) || strings.Contains(a.body, "sql") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
}
