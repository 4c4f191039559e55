package appliance_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// goodPassword is that of all users here.
const goodPassword = "correct horse battery"

// Where content may be, and where not, to who has one grant only.
const (
	teamRepository  = "docker.io/team/app"
	otherRepository = "docker.io/library/other"
)

// subject is somebody who sends requests.
type subject struct {
	name    string
	id      string   // of a user
	headers []string // that prove who it is
	socket  bool
}

// as sends a request as a subject.
func (s *site) as(who subject, method, path, body string, headers ...string) answer {
	s.t.Helper()
	c, base := s.client, s.plain
	if who.socket {
		c, base = s.local, "http://socket"
	}
	return s.send(c, base, method, path, body, append(headers, who.headers...)...)
}

// wantAs is the body of an answer that has to have a status.
func (s *site) wantAs(who subject, method, path, body string, status int, headers ...string) string {
	s.t.Helper()
	got := s.as(who, method, path, body, headers...)
	if got.status != status {
		s.t.Fatalf("%s: %s %s %.200s: %d, want %d: %s", who.name, method, path, body, got.status, status, got.body)
	}
	return got.body
}

// cookie is the session that an answer begins.
func (a answer) cookie() string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if strings.HasSuffix(c.Name, "landfall") && c.MaxAge >= 0 {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// field is a text in a JSON object.
func field(t testing.TB, body string, name string) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	text, ok := v[name].(string)
	if !ok {
		t.Fatalf("no %s in %s", name, body)
	}
	return text
}

// quote is a text in JSON.
func quote(text string) string {
	content, _ := json.Marshal(text)
	return string(content)
}

// first makes the first administrator by the link on the console.
func (s *site) first(name string) subject {
	s.t.Helper()
	got := s.do("POST", "/api/v1/setup", fmt.Sprintf(`{"secret":%q,"name":%q,"password":%q}`, s.setup, name, goodPassword))
	if got.status != 200 || got.cookie() == "" {
		s.t.Fatalf("setup: %d %s", got.status, got.body)
	}
	return subject{name: name, id: field(s.t, got.body, "id"), headers: []string{"Cookie", got.cookie()}}
}

// addUser makes a user; more is JSON of further fields.
func (s *site) addUser(name, role, more string) (id string) {
	s.t.Helper()
	return field(s.t, s.onSocket("POST", "/api/v1/users", fmt.Sprintf(`{"name":%q,"password":%q,"role":%q%s}`, name, goodPassword, role, more), 201), "id")
}

// signIn begins a session of a user.
func (s *site) signIn(name string) subject {
	s.t.Helper()
	got := s.do("POST", "/api/v1/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, goodPassword))
	if got.status != 200 || got.cookie() == "" {
		s.t.Fatalf("sign in: %d %s", got.status, got.body)
	}
	return subject{name: name, id: field(s.t, got.body, "id"), headers: []string{"Cookie", got.cookie()}}
}

// addToken makes a token as the machine's administrator may; what is JSON of its
// fields besides the name.
func (s *site) addToken(name, what string) (who subject, text string) {
	s.t.Helper()
	told := s.onSocket("POST", "/api/v1/tokens", fmt.Sprintf(`{"name":%q,%s}`, name, what), 201)
	text = field(s.t, told, "text")
	return subject{name: name, id: field(s.t, told, "id"), headers: []string{"Authorization", "Bearer " + text}}, text
}

var atTheMachine = subject{name: "socket", socket: true}

// basic is how registry clients show a name and a password.
func basic(name, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
}
