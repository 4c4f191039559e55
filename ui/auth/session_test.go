package auth

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// browse is a request with a cookie, over TLS or not.
func browse(ctx context.Context, secure bool, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://site.example/", nil)
	if secure {
		r.TLS = &tls.ConnectionState{}
	}
	for _, k := range cookies {
		r.AddCookie(&http.Cookie{Name: k.Name, Value: k.Value})
	}
	return r
}

// login is the cookie of a login in the browser of a request.
func (s *site) login(r *http.Request, name string) *http.Cookie {
	s.t.Helper()
	cookie, _, err := s.Login(WithClient(r).Context(), name, goodPassword)
	if err != nil {
		s.t.Fatal(err)
	}
	return cookie
}

// who is the name of a request's subject.
func (s *site) who(r *http.Request) string {
	s.t.Helper()
	subject, err := s.Authenticate(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return subject.Name
}

func TestSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Operator)
	for _, secure := range []bool{false, true} {
		k := s.login(browse(t.Context(), secure), "ann")
		name := map[bool]string{false: "landfall", true: "__Host-landfall"}[secure]
		if k.Name != name || k.Secure != secure || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" || k.Domain != "" || k.MaxAge != int(sessionLife.Seconds()) {
			t.Errorf("cookie %v", k)
		}
		subject, err := s.Authenticate(browse(t.Context(), secure, k))
		if err != nil || subject.Name != "ann" || subject.Via != ViaSession || !subject.May(ContentWrite) || subject.May(UsersRead) || subject.Address != "192.0.2.1" {
			t.Errorf("%+v, %v", subject, err)
		}
		// A cookie without TLS is none over it: somebody on the way may have set it.
		if got := s.who(browse(t.Context(), !secure, k)); got != "anonymous" {
			t.Errorf("the cookie counts with TLS: %v: %s", !secure, got)
		}
		for _, other := range []string{"", "x", k.Value[:42], k.Value + "A", sessionID(k.Value), strings.Repeat("A", 5000)} {
			if got := s.who(browse(t.Context(), secure, &http.Cookie{Name: name, Value: other})); got != "anonymous" {
				t.Errorf("%q is %s", other, got)
			}
		}
		s.restart()
		if got := s.who(browse(t.Context(), secure, k)); got != "ann" {
			t.Errorf("after a restart: %s", got)
		}
		s.hides(k.Value)
	}
	if u, _ := s.UserByName(t.Context(), "ann"); u.LastLogin.IsZero() {
		t.Error("the last login is not noted")
	}
	s.audited("login ann ok by ann/user/password")
}

// What a browser brings to its login is never what it has afterwards.
func TestFixation(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Admin)
	s.addUser("eve", Viewer)
	planted := &http.Cookie{Name: cookieName, Value: "planted-by-somebody-else-planted-by-somebody"}
	if k := s.login(browse(t.Context(), false, planted), "ann"); k.Value == planted.Value {
		t.Error("a planted id became the session's")
	}
	if got := s.who(browse(t.Context(), false, planted)); got != "anonymous" {
		t.Errorf("the planted id is %s", got)
	}
	// Nor does eve's session become ann's, when ann logs in where eve has planted it.
	eves := s.login(browse(t.Context(), false), "eve")
	anns := s.login(browse(t.Context(), false, eves), "ann")
	if anns.Value == eves.Value {
		t.Error("eve's id became ann's")
	}
	if got := s.who(browse(t.Context(), false, eves)); got != "anonymous" {
		t.Errorf("eve's session, after ann's login, is %s", got)
	}
	again := s.login(browse(t.Context(), false, anns), "ann")
	if again.Value == anns.Value || s.who(browse(t.Context(), false, anns)) != "anonymous" || s.who(browse(t.Context(), false, again)) != "ann" {
		t.Error("a second login keeps the first one's id")
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	changes := map[string]UserPatch{
		"another password": {Password: ptr("another good password")},
		"disabled":         {Disabled: ptr(true)},
		"another role":     {Role: ptr(Viewer)},
		"restricted":       {Restricted: ptr(true)},
		"other grants":     {Grants: &[]Grant{{"a", []Action{Pull}}}},
	}
	s := newSite(t, Options{})
	for what, p := range changes {
		u := s.addUser(strings.ReplaceAll(what, " ", "-"), Operator)
		k := s.login(browse(t.Context(), false), u.Name)
		s.change(u.ID, UserPatch{Display: ptr("x")})
		if got := s.who(browse(t.Context(), false, k)); got != u.Name {
			t.Errorf("%s: ended by a display name", what)
		}
		s.change(u.ID, p)
		if got := s.who(browse(t.Context(), false, k)); got != "anonymous" {
			t.Errorf("%s: the session goes on as %s", what, got)
		}
	}
	u := s.addUser("gone", Operator)
	k := s.login(browse(t.Context(), false), "gone")
	if err := s.RemoveUser(t.Context(), u.ID, u.Version); err != nil {
		t.Fatal(err)
	}
	if got := s.who(browse(t.Context(), false, k)); got != "anonymous" {
		t.Errorf("removed: the session goes on as %s", got)
	}
	var n int
	if err := s.db.Read.QueryRow(`SELECT count(*) FROM auth_sessions`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d sessions are left, %v", n, err)
	}
}

// A login that was let in by the old password is over when there is a new one,
// also when it comes to its end after that.
func TestLoginAcrossChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Operator)
	before, err := s.CheckPassword(t.Context(), "ann", goodPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	s.change(before.ID, UserPatch{Password: ptr("another good password")})
	k, _, err := s.StartSession(t.Context(), before, ViaPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.who(browse(t.Context(), false, k)); got != "anonymous" {
		t.Errorf("it is %s", got)
	}
}

func TestLogout(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	s.addUser("ann", Operator)
	k := s.login(browse(t.Context(), true), "ann")
	r := WithClient(browse(t.Context(), true, k))
	subject, err := s.Authenticate(r)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s.Logout(WithSubject(r.Context(), subject))
	if err != nil || gone.MaxAge != -1 || gone.Value != "" || gone.Name != k.Name || !gone.Secure {
		t.Errorf("%v, %v", gone, err)
	}
	if got := s.who(browse(t.Context(), true, k)); got != "anonymous" {
		t.Errorf("it is %s", got)
	}
	if _, err := s.Logout(t.Context()); err != nil {
		t.Errorf("without a session: %v", err)
	}
	s.audited("logout ann ok by ann/user/session")
}

// A session ends after 12 hours without a request and after 24 hours whatever
// happens.
func TestSessionTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, Options{})
		s.addUser("ann", Operator)
		idle, busy := s.login(browse(t.Context(), false), "ann"), s.login(browse(t.Context(), false), "ann")
		start := time.Now()
		for time.Since(start) < sessionLife-time.Minute {
			if got := s.who(browse(t.Context(), false, busy)); got != "ann" {
				t.Fatalf("after %s it has ended", time.Since(start))
			}
			time.Sleep(11 * time.Minute)
		}
		if got := s.who(browse(t.Context(), false, idle)); got != "anonymous" {
			t.Errorf("idle for %s it is %s", time.Since(start), got)
		}
		time.Sleep(time.Until(start.Add(sessionLife)))
		if got := s.who(browse(t.Context(), false, busy)); got != "anonymous" {
			t.Errorf("after %s it is %s", time.Since(start), got)
		}
		late := s.login(browse(t.Context(), false), "ann")
		time.Sleep(sessionIdle - time.Second)
		if got := s.who(browse(t.Context(), false, late)); got != "ann" {
			t.Error("ended too early")
		}
		writes := s.seen(late)
		for range 59 {
			time.Sleep(time.Second)
			s.who(browse(t.Context(), false, late))
		}
		if s.seen(late) != writes {
			t.Error("more than one note a minute")
		}
	})
}

func (s *site) seen(k *http.Cookie) (at int64) {
	s.t.Helper()
	if err := s.db.Read.QueryRow(`SELECT seen_at FROM auth_sessions WHERE id = ?`, sessionID(k.Value)).Scan(&at); err != nil {
		s.t.Fatal(err)
	}
	return at
}

// A request under way does not bring a session back that has ended.
func TestNoReturn(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Operator)
	k := s.login(browse(t.Context(), false), "ann")
	loaded, err := s.sessions.Load(t.Context(), k.Value)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndSessions(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.sessions.Commit(loaded); err != nil {
		t.Fatal(err)
	}
	if got := s.who(browse(t.Context(), false, k)); got != "anonymous" {
		t.Errorf("it is %s", got)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("ann", Viewer)
	other := s.addUser("bob", Viewer)
	bobs := s.as("bob")
	ctx := s.as("ann")
	s.as("ann")
	list, err := s.Sessions(ctx, u.ID)
	if err != nil || len(list) != 2 || list[0].Current == list[1].Current || list[0].Agent != "test" || list[0].Address != "192.0.2.1" || len(list[0].ID) != sessionShown {
		t.Fatalf("%+v, %v", list, err)
	}
	if list[0].Current {
		list[0], list[1] = list[1], list[0]
	}
	wants(t, "another user's", s.EndSession(bobs, u.ID, list[0].ID), registry.ErrDenied)
	wants(t, "as one's own", s.EndSession(bobs, other.ID, list[0].ID), registry.ErrNotFound)
	wants(t, "a part of an id", s.EndSession(ctx, u.ID, list[0].ID[:8]), registry.ErrNotFound)
	wants(t, "an own one", s.EndSession(ctx, u.ID, list[0].ID), nil)
	wants(t, "the one that asks", s.Check(ctx), nil)
	if list, _ := s.Sessions(ctx, u.ID); len(list) != 1 || !list[0].Current {
		t.Errorf("%+v", list)
	}
	for range maxSessions + 3 {
		s.as("ann")
	}
	if list, _ := s.Sessions(t.Context(), u.ID); len(list) != maxSessions {
		t.Errorf("%d sessions", len(list))
	}
	s.audited("session.end ann ok by ann/user/session")
}
