package appliance_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// pass fetches a token of the registry's protocol, for pulls.
func (s *site) pass(authorization string) string {
	s.t.Helper()
	query := url.Values{"service": {"landfall"}, "scope": {"repository:" + teamRepository + ":pull"}}
	return field(s.t, s.want("GET", "/auth/token?"+query.Encode(), "", 200, "Authorization", authorization), "token")
}

// What is revoked, disabled, removed or changed is refused from that moment on, in
// whatever way it is shown, and with it all that was given out for it.
func TestRevocation(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{flags: map[string][]string{"anonymous-pull": {"false"}}})
	s.push(atTheMachine, teamRepository, "v1", "layer")
	admin := s.first("admin")
	const pull = "/v2/" + teamRepository + "/manifests/v1"
	type shown struct{ what, path, authorization string }
	// all that a token's text can be used for
	uses := func(name, text string) []shown {
		return []shown{
			{"Bearer", "/api/v1/content/names", "Bearer " + text},
			{"Basic", "/api/v1/content/names", basic(name, text)},
			{"Bearer", pull, "Bearer " + text},
			{"Basic", pull, basic(name, text)},
			{"a pass", pull, "Bearer " + s.pass(basic(name, text))},
			{"a pass for a Bearer", pull, "Bearer " + s.pass("Bearer "+text)},
		}
	}
	user := func(name string) (who subject, id string) {
		id = s.addUser(name, "viewer", "")
		return s.signIn(name), id
	}
	robot, robotText := s.addToken("robot", `"role":"viewer"`)
	renewed, renewedText := s.addToken("renewed", `"role":"viewer"`)
	person, personID := user("person")
	own, ownText := s.addToken("own", fmt.Sprintf(`"owner":%q`, personID))
	_, disabledID := user("disabled")
	_, disabledText := s.addToken("disabled", fmt.Sprintf(`"owner":%q`, disabledID))
	_, removedID := user("removed")
	_, removedText := s.addToken("removed", fmt.Sprintf(`"owner":%q`, removedID))
	changed, changedID := user("changed")
	password := func(name string) []shown {
		return []shown{{"the password", pull, basic(name, goodPassword)}, {"a pass for the password", pull, "Bearer " + s.pass(basic(name, goodPassword))}}
	}
	admins, adminsText := s.addToken("admins", fmt.Sprintf(`"owner":%q`, admin.id))
	for _, c := range []struct {
		what string
		uses []shown
		end  func()
	}{
		{"a robot that is revoked", uses("robot$robot", robotText), func() { s.wantAs(admin, "DELETE", "/api/v1/tokens/"+robot.id, "", 204) }},
		{"a robot that has another secret", uses("robot$renewed", renewedText), func() { s.wantAs(admin, "POST", "/api/v1/tokens/"+renewed.id+"/renew", "{}", 200) }},
		{"a token that its user revokes", uses("person", ownText), func() { s.wantAs(person, "DELETE", "/api/v1/tokens/"+own.id, "", 204) }},
		{"a token of who is disabled", append(uses("disabled", disabledText), password("disabled")...), func() {
			s.wantAs(admin, "PATCH", "/api/v1/users/"+disabledID, `{"disabled":true}`, 200, "If-Match", `"1"`)
		}},
		{"a token of who is removed", append(uses("removed", removedText), password("removed")...), func() {
			s.wantAs(admin, "DELETE", "/api/v1/users/"+removedID, "", 204, "If-Match", `"1"`)
		}},
		{"a password that is changed", password("changed"), func() {
			s.wantAs(changed, "PUT", "/api/v1/session/password", fmt.Sprintf(`{"current":%q,"password":"another good password"}`, goodPassword), 200)
		}},
		{"a password that the administrator changes", []shown{{"the other password", pull, basic("changed", "another good password")}}, func() {
			s.wantAs(admin, "PATCH", "/api/v1/users/"+changedID, `{"password":"a third good password"}`, 200, "If-Match", `"2"`)
		}},
		{"a token of an administrator that is revoked", uses("admin", adminsText), func() { s.wantAs(admin, "DELETE", "/api/v1/tokens/"+admins.id, "", 204) }},
	} {
		for _, u := range c.uses {
			if got := s.do("GET", u.path, "", "Authorization", u.authorization); got.status != 200 {
				t.Errorf("%s: %s on %s before the end: %d %s", c.what, u.what, u.path, got.status, got.body)
			}
		}
		c.end()
		for _, u := range c.uses {
			if got := s.do("GET", u.path, "", "Authorization", u.authorization); got.status != 401 {
				t.Errorf("%s: %s on %s after the end: %d %s", c.what, u.what, u.path, got.status, got.body)
			}
		}
	}
	for _, left := range []string{person.headers[1], changed.headers[1]} { // the second one's password was changed
		if valid := s.valid(strings.TrimPrefix(left, "landfall=")); valid != (left == person.headers[1]) {
			t.Errorf("session %v", valid)
		}
	}
}

// Who guesses has to wait, on the API and on the registry alike, and the right
// password is no better than a wrong one until then.
func TestGuessing(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	wrong := func(n int) string { return fmt.Sprintf(`{"name":"admin","password":"wrong password %d"}`, n) }
	if got := s.do("POST", "/api/v1/session", wrong(0)); got.status != 401 {
		t.Errorf("%d %s", got.status, got.body)
	}
	// From an address where the account has logged in, the address counts.
	limited := answer{}
	for n := 0; n < 30 && limited.status != 429; n++ {
		limited = s.do("GET", "/v2/", "", "Authorization", basic("admin", fmt.Sprint("wrong password ", n)))
	}
	if limited.status != 429 || limited.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", limited.status, limited.header, limited.body)
	}
	right := fmt.Sprintf(`{"name":"admin","password":%q}`, goodPassword)
	for _, body := range []string{wrong(0), right} {
		got := s.do("POST", "/api/v1/session", body)
		if got.status != 429 || got.header.Get("Retry-After") == "" || got.header.Get("Content-Type") != "application/problem+json" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v %s", body, got.status, got.header, got.body)
		}
	}
	s.onSocket("GET", "/api/v1/users", "", 200) // who is at the machine is not kept out
}

// The link of the first start makes one administrator, once, and is not guessed.
func TestSetup(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	body := func(secret, name string) string {
		return fmt.Sprintf(`{"secret":%q,"name":%q,"password":%q}`, secret, name, goodPassword)
	}
	for _, secret := range []string{"x", strings.Repeat("A", 43), s.setup[:42], s.setup + "A", strings.ToLower(s.setup)} {
		if got := s.do("POST", "/api/v1/setup", body(secret, "admin")); got.status != 403 || strings.Contains(got.body, s.setup) {
			t.Errorf("%q: %d %s", secret, got.status, got.body)
		}
	}
	if got := s.do("POST", "/api/v1/setup", fmt.Sprintf(`{"secret":%q,"name":"admin","password":"short"}`, s.setup)); got.status != 400 {
		t.Errorf("a bad password: %d %s", got.status, got.body)
	}
	statuses := make(chan int)
	for n := range 8 {
		go func() { statuses <- s.do("POST", "/api/v1/setup", body(s.setup, fmt.Sprint("admin", n))).status }()
	}
	made := map[int]int{}
	for range 8 {
		made[<-statuses]++
	}
	if made[200] != 1 || made[403] != 7 {
		t.Errorf("%v: want one administrator", made)
	}
	if s = s.restart(); s.setup != "" {
		t.Error("the next start offers it again")
	}
}

// That everybody may pull ends the moment at which the settings say so, and begins
// again, also for what was given to who showed nothing.
func TestAnonymousPull(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.push(atTheMachine, teamRepository, "v1", "layer")
	admin := s.first("admin")
	const pull = "/v2/" + teamRepository + "/manifests/v1"
	pass := field(t, s.want("GET", "/auth/token?service=landfall&scope=repository:"+teamRepository+":pull", "", 200), "token")
	check := func(status int) {
		t.Helper()
		s.want("GET", pull, "", status)
		s.want("GET", pull, "", status, "Authorization", "Bearer "+pass)
		s.want("GET", "/v2/_catalog", "", status)
		s.want("GET", "/auth/token?service=landfall", "", status)
		s.want("POST", "/v2/"+teamRepository+"/blobs/uploads/", "", 401)
		s.want("GET", "/v2/", "", 401)
	}
	set := func(value string) {
		t.Helper()
		tag := s.as(admin, "GET", "/api/v1/settings", "").header.Get("ETag")
		s.wantAs(admin, "PATCH", "/api/v1/settings", `{"registry.anonymousPull":`+value+`}`, 200, "If-Match", tag)
	}
	check(200)
	set("false")
	check(401)
	s.want("GET", pull, "", 200, "Authorization", basic("admin", goodPassword))
	set("true")
	check(200)
	set("false")
	s = s.restart()
	check(401)
}
