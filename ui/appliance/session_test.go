package appliance_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// value is that of the cookie of a session; empty when there is none.
func (a answer) value() string {
	_, value, _ := strings.Cut(a.cookie(), "=")
	return value
}

// valid reports whether a cookie's value is a session.
func (s *site) valid(value string) bool {
	return strings.Contains(s.want("GET", "/api/v1/session", "", 200, "Cookie", "landfall="+value), `"via":"session"`)
}

// An id that a client brings never becomes a session, and each login, also the one
// with another password, has an id of its own.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	const theirs = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	setup := fmt.Sprintf(`{"secret":%q,"name":"admin","password":%q}`, s.setup, goodPassword)
	login := fmt.Sprintf(`{"name":"admin","password":%q}`, goodPassword)
	seen := map[string]bool{theirs: true, "": true}
	fresh := func(what string, got answer) string {
		t.Helper()
		if got.status != 200 || seen[got.value()] || !s.valid(got.value()) {
			t.Fatalf("%s: %d %q %s", what, got.status, got.value(), got.body)
		}
		seen[got.value()] = true
		return got.value()
	}
	cookie := func(value string) []string { return []string{"Cookie", "landfall=" + value} }
	first := fresh("setup", s.do("POST", "/api/v1/setup", setup, cookie(theirs)...))
	second := fresh("login", s.do("POST", "/api/v1/session", login, cookie(theirs)...))
	third := fresh("login again", s.do("POST", "/api/v1/session", login, cookie(second)...))
	if s.valid(theirs) || s.valid(second) || !s.valid(first) {
		t.Error("an id outlives the login that took its place, or one that was brought counts")
	}
	change := fmt.Sprintf(`{"current":%q,"password":"another good password"}`, goodPassword)
	fourth := fresh("another password", s.do("PUT", "/api/v1/session/password", change, cookie(third)...))
	if s.valid(first) || s.valid(third) {
		t.Error("a session outlives the password that began it")
	}
	got := s.do("DELETE", "/api/v1/session", "", cookie(fourth)...)
	if got.status != 200 || got.cookie() != "" || s.valid(fourth) {
		t.Errorf("after the end: %d %v", got.status, got.header)
	}
}

// Cookies are for this host, out of reach for scripts, and over TLS for TLS only.
func TestCookies(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	login := fmt.Sprintf(`{"name":"admin","password":%q}`, goodPassword)
	plain, secure := s.do("POST", "/api/v1/session", login), s.send(s.client, s.secure, "POST", "/api/v1/session", login)
	for base, got := range map[string]answer{s.plain: plain, s.secure: secure} {
		list := (&http.Response{Header: got.header}).Cookies()
		if len(list) != 1 {
			t.Fatalf("%d %v", got.status, got.header)
		}
		c, tls := list[0], base == s.secure
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != tls || strings.HasPrefix(c.Name, "__Host-") != tls || c.Path != "/" || c.Domain != "" || c.MaxAge != 24*3600 {
			t.Errorf("%s: %s", base, c)
		}
	}
	who := s.send(s.client, s.secure, "GET", "/api/v1/session", "", "Cookie", plain.cookie())
	if strings.Contains(who.body, "admin") {
		t.Errorf("a session from plain HTTP counts over TLS: %s", who.body)
	}
}

// Pages of other sites change nothing here, whatever cookie the browser adds, and
// read nothing either.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	secret := s.setup
	admin := s.first("admin")
	operations, _ := s.operations()
	foreign := [][]string{
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Origin", "https" + strings.TrimPrefix(s.plain, "http") + "0"}, {"Origin", s.plain, "Sec-Fetch-Site", "cross-site"},
	}
	for _, o := range operations {
		for _, headers := range foreign {
			switch o.method {
			case "GET", "HEAD", "OPTIONS":
				continue
			}
			got := s.as(admin, o.method, filled(o.path), "{}", append(headers, "Content-Type", "text/plain", "X-HTTP-Method-Override", "PATCH", "Tus-Resumable", "1.0.0")...)
			if got.status != 403 || !strings.Contains(got.body, "another site") {
				t.Errorf("%s %s %v: %d %s", o.method, o.path, headers, got.status, got.body)
			}
		}
	}
	login := fmt.Sprintf(`{"name":"admin","password":%q}`, goodPassword)
	for path, body := range map[string]string{"setup": fmt.Sprintf(`{"secret":%q,"name":"a","password":%q}`, secret, goodPassword), "session": login} {
		for _, headers := range foreign {
			if got := s.do("POST", "/api/v1/"+path, body, headers...); got.status != 403 || got.header.Get("Set-Cookie") != "" {
				t.Errorf("%s %v: %d %s", path, headers, got.status, got.body)
			}
		}
	}
	for _, headers := range [][]string{nil, {"Origin", s.plain}, {"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}} {
		if got := s.do("POST", "/api/v1/session", login, headers...); got.status != 200 {
			t.Errorf("a page of the site itself, %v: %d %s", headers, got.status, got.body)
		}
	}
	for _, path := range []string{"/api/v1/session", "/api/v1/openapi.json", "/", "/v2/", "/auth/token", "/metrics"} {
		got := s.as(admin, "GET", path, "", "Origin", "https://evil.example")
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s answers other sites: %v", path, got.header)
			}
		}
	}
}

// An appliance that asks nobody is reached by every page in a browser of its
// machine: those of other sites may change nothing, also when they have given a name
// of theirs the address of this machine.
func TestCrossSiteOpen(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{flags: map[string][]string{"open": {"true"}}})
	for _, c := range []struct {
		method, path, host, origin string
		status                     int
	}{
		{"POST", "/api/v1/content/undo", "", "", 200},
		{"POST", "/api/v1/content/undo", "", s.plain, 200},
		{"POST", "/api/v1/content/undo", "", "https://evil.example", 403},
		{"POST", "/api/v1/content/undo", "evil.example", "http://evil.example", 403},
		{"GET", "/api/v1/content/names", "evil.example:80", "", 403},
		{"POST", "/api/v1/uploads", "", "https://evil.example", 403},
		{"POST", "/v2/x/blobs/uploads/", "", "https://evil.example", 403},
		{"POST", "/v2/x/blobs/uploads/", "", "", 202},
		{"GET", "/api/v1/content/names", "localhost:1", "", 200},
		{"GET", "/api/v1/content/names", "[::1]:1", "", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.plain+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		got, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != c.status {
			t.Errorf("%+v: %s", c, got.Status)
		}
	}
	s.onSocket("POST", "/api/v1/content/undo", "", 200)
}
