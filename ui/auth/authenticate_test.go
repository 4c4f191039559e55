package auth

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

func basic(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Viewer)
	_, text := s.addToken(NewToken{Owner: u.ID})
	_, robot := s.addToken(NewToken{Name: "ci", Role: Viewer})
	session := s.login(browse(t.Context(), false), "ann")
	cookie := cookieName + "=" + session.Value
	for _, c := range []struct {
		what    string
		headers []string
		status  int
		body    string
	}{
		{"nothing", nil, 200, `"kind":"anonymous"`},
		{"bearer", []string{"Authorization", "Bearer " + text}, 200, `"name":"ann","via":"token"`},
		{"bearer in small letters", []string{"Authorization", "bearer  " + text}, 200, `"name":"ann"`},
		{"basic", []string{"Authorization", basic("ann", text)}, 200, `"name":"ann","via":"token"`},
		{"robot", []string{"Authorization", basic("robot$ci", robot)}, 200, `"kind":"robot","name":"robot$ci"`},
		{"actor", []string{"Authorization", "Bearer " + robot}, 200, `"actor":{"name":"robot$ci","kind":"robot","address":"192.0.2.1","via":"token:`},
		{"basic with another's name", []string{"Authorization", basic("bob", text)}, 401, ""},
		{"a password", []string{"Authorization", basic("ann", goodPassword)}, 401, "not a password"},
		{"session", []string{"Cookie", cookie}, 200, `"name":"ann","via":"session"`},
		{"session and token", []string{"Cookie", cookie, "Authorization", "Bearer " + robot}, 200, `"name":"robot$ci"`},
		{"session and a bad token", []string{"Cookie", cookie, "Authorization", "Bearer x"}, 401, ""},
		{"a session that is none", []string{"Cookie", cookieName + "=x"}, 200, `"kind":"anonymous"`},
		{"an empty header", []string{"Authorization", ""}, 200, `"kind":"anonymous"`},
		{"another scheme", []string{"Authorization", "Digest x"}, 401, ""},
		{"no base64", []string{"Authorization", "Basic %%%"}, 401, ""},
		{"a cut token", []string{"Authorization", "Bearer " + text[:len(text)-1]}, 401, ""},
		{"a mistyped token", []string{"Authorization", "Bearer " + strings.Replace(text, "lf_", "lf-", 1)}, 401, ""},
		{"forwarded", []string{"X-Forwarded-For", "198.51.100.1", "Forwarded", "for=198.51.100.1"}, 200, `"address":"192.0.2.1"`},
	} {
		status, body := s.ask(http.MethodGet, c.headers...)
		if status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %s", c.what, status, body)
		}
		if status == 401 && len(c.headers) == 2 && len(c.headers[1]) > 8 && strings.Contains(body, c.headers[1][7:]) {
			t.Errorf("%s: the answer repeats it: %s", c.what, body)
		}
	}
	if n := s.hasher.Computed() - 2; n != 0 { // the user's password, and its login
		t.Errorf("%d passwords were looked at", n)
	}
}

// Pages of other sites change nothing; programs and the site's own pages do.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{TrustedOrigins: []string{"https://console.example"}})
	u := s.addUser("ann", Viewer)
	_, text := s.addToken(NewToken{Owner: u.ID})
	cookie := cookieName + "=" + s.login(browse(t.Context(), false), "ann").Value
	for _, c := range []struct {
		what, method string
		headers      []string
		status       int
	}{
		{"own page", "POST", []string{"Sec-Fetch-Site", "same-origin", "Cookie", cookie}, 200},
		{"own page of an old browser", "POST", []string{"Origin", "http://site.example", "Cookie", cookie}, 200},
		{"trusted page", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://console.example", "Cookie", cookie}, 200},
		{"program", "POST", []string{"Authorization", "Bearer " + text}, 200},
		{"other site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Cookie", cookie}, 403},
		{"other site, old browser", "DELETE", []string{"Origin", "https://evil.example", "Cookie", cookie}, 403},
		{"same site, other host", "PUT", []string{"Sec-Fetch-Site", "same-site", "Cookie", cookie}, 403},
		{"null origin", "PATCH", []string{"Origin", "null", "Cookie", cookie}, 403},
		{"other site reads", "GET", []string{"Sec-Fetch-Site", "cross-site", "Cookie", cookie}, 200},
		{"login from another site", "POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if status, body := s.ask(c.method, c.headers...); status != c.status {
			t.Errorf("%s: %d %s", c.what, status, body)
		}
	}
	_, err := Open(t.Context(), s.db, Options{TrustedOrigins: []string{"console.example"}})
	wants(t, "an origin without a scheme", err, registry.ErrInvalid)
}

// The process at the other end of the unix socket is the machine's administrator,
// whatever else it shows.
func TestSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.handler(), ConnContext: ConnContext}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	defer func() { server.Close(); <-done }()
	for _, header := range []string{"", "Authorization: Bearer x\r\n", "Cookie: landfall=x\r\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		conn.Close()
		if !strings.Contains(string(body), `"kind":"local"`) || !strings.Contains(string(body), `"via":"socket"`) {
			t.Errorf("%q: %s", header, body)
		}
	}
	// Others are nobody, and so is who cannot be asked about.
	for _, uid := range []uint32{1, 65534, ^uint32(0)} {
		if s, ok := local(context.WithValue(t.Context(), peerKey{}, peer{uid})); ok {
			t.Errorf("uid %d is %+v", uid, s)
		}
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if s, ok := local(ConnContext(t.Context(), wrapped{a})); ok {
		t.Errorf("a wrapped connection is %+v", s)
	}
	if ctx := ConnContext(t.Context(), a); ctx != t.Context() {
		t.Error("another connection has a peer")
	}
}

// wrapped is a connection of a unix socket that hides it.
type wrapped struct{ net.Conn }

func (wrapped) LocalAddr() net.Addr { return &net.UnixAddr{Name: "s", Net: "unix"} }

func TestAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Operator)
	token, text := s.addToken(NewToken{Owner: u.ID, Role: Viewer})
	robot, robotText := s.addToken(NewToken{Name: "ci", Role: Viewer})
	byPassword, err := s.ByPassword(t.Context(), "ann", goodPassword, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	bySession, _ := SubjectOf(s.as("ann"))
	byToken, _ := s.token(text)
	byRobot, _ := s.token(robotText)
	again := func(what string, s2 Subject, kind error) {
		t.Helper()
		got, err := s.Again(t.Context(), s2.Ref(), s2.Address)
		wants(t, what, err, kind)
		if err == nil && (got.Name != s2.Name || got.Kind != s2.Kind || got.Via != s2.Via || got.Ref() != s2.Ref()) {
			t.Errorf("%s: %+v became %+v", what, s2, got)
		}
	}
	again("password", byPassword, nil)
	again("session", bySession, nil)
	again("token", byToken, nil)
	again("robot", byRobot, nil)
	again("nobody", s.anonymous(""), nil)
	if got, _ := s.Again(t.Context(), byToken.Ref(), ""); got.May(ContentWrite) {
		t.Error("the token's limits are forgotten")
	}
	if got, _ := s.Again(t.Context(), (Subject{Kind: Local, limits: everything}).Ref(), ""); got.Known() {
		t.Error("the machine's administrator can be named for later")
	}
	for _, forged := range []Ref{{User: u.ID}, {User: u.ID, Epoch: 2}, {Token: token.ID, Epoch: 1}, {User: "x", Epoch: 1}, {Token: "x"}, {User: u.ID, Session: "x", Epoch: 1}, {Session: "x"}} {
		_, err := s.Again(t.Context(), forged, "")
		wants(t, "forged", err, ErrUnauthenticated)
	}
	if err := s.EndSessions(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	again("ended session", bySession, ErrUnauthenticated)
	again("password, still", byPassword, nil)
	s.change(u.ID, UserPatch{Password: ptr("another good password")})
	again("old password", byPassword, ErrUnauthenticated)
	again("token, still", byToken, nil)
	if _, _, err := s.RenewRobot(t.Context(), robot.ID, robot.Expires); err != nil {
		t.Fatal(err)
	}
	again("renewed robot", byRobot, ErrUnauthenticated)
	if err := s.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	again("revoked token", byToken, ErrUnauthenticated)
	wants(t, "without a subject", s.Check(t.Context()), ErrUnauthenticated)
	wants(t, "local", s.Check(WithSubject(t.Context(), Subject{Kind: Local})), nil)
	wants(t, "nobody", s.Check(WithSubject(t.Context(), s.anonymous(""))), nil)
}

// What a header is read as is what it says.
func FuzzAuthorization(f *testing.F) {
	f.Add(basic("ann", "secret"))
	f.Add("Bearer abc")
	f.Add("bearer \x00")
	f.Add("Basic OjpB")
	f.Fuzz(func(t *testing.T, header string) {
		c, err := ParseAuthorization(header)
		if err != nil {
			if len(header) > 20 && strings.Contains(err.Error(), header) {
				t.Errorf("the error repeats %q", header)
			}
			return
		}
		scheme, rest, _ := strings.Cut(header, " ")
		if c.Basic {
			pair, err := base64.StdEncoding.DecodeString(strings.Trim(rest, " "))
			if err != nil || string(pair) != c.Name+":"+c.Secret || strings.Contains(c.Name, ":") || !strings.EqualFold(scheme, "basic") {
				t.Errorf("%q is %+v", header, c)
			}
		} else if c.Secret == "" || c.Name != "" || !strings.EqualFold(scheme, "bearer") || !strings.HasSuffix(strings.TrimRight(header, " "), c.Secret) {
			t.Errorf("%q is %+v", header, c)
		}
	})
}
