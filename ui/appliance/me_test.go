package appliance_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/ui/auth"
)

// me is what a subject is told of itself.
type me struct {
	Name, Display, Kind, Role, Via, SiteName, Banner string
	Rights                                           []string
	Setup, HasPassword                               bool
}

func (s *site) me(who subject) (m me) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.wantAs(who, "GET", "/api/v1/session", "", 200)), &m); err != nil {
		s.t.Fatal(err)
	}
	return m
}

// Where nobody is asked, everybody is told that they may do everything that there is
// to do, on both ways in.
func TestOpenMe(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{flags: map[string][]string{"open": {"true"}}, env: []string{"LANDFALL_SITE_NAME=Pier 7"}})
	operations, _ := s.operations()
	for _, who := range []subject{{name: "anybody"}, atTheMachine} {
		m := s.me(who)
		if m.Name != "anonymous" || m.Kind != "anonymous" || m.Role != "admin" || m.Via != "open" || m.Setup || m.SiteName != "Pier 7" {
			t.Errorf("%s: %+v", who.name, m)
		}
		for _, o := range operations {
			people := strings.HasPrefix(o.Right, "users.") || strings.HasPrefix(o.Right, "tokens.")
			if o.Right != "" && slices.Contains(m.Rights, o.Right) == people {
				t.Errorf("%s: %s %s needs %s; told are %v", who.name, o.method, o.path, o.Right, m.Rights)
			}
		}
	}
	if got := s.do("PATCH", "/api/v1/session", `{"display":"x"}`); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Everybody is told what the site is called and what its banner says, as it is now.
func TestSiteOfMe(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	if m := s.me(subject{}); m.SiteName != "" || m.Banner != "" || m.Kind != "anonymous" {
		t.Errorf("%+v", m)
	}
	if got := s.as(atTheMachine, "PATCH", "/api/v1/settings", `{"site.name":"Werk Süd","site.banner":"one\ntwo"}`, "If-Match", `"0"`); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if m := s.me(subject{}); m.SiteName != "Werk Süd" || m.Banner != "one\ntwo" || slices.Contains(m.Rights, auth.SystemRead) {
		t.Errorf("%+v", m)
	}
}

// Who has signed in gives themselves a display name, which the audit log tells; a
// token does not, nor somebody who is not known.
func TestOwnDisplay(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	s.addUser("viewer", "viewer", "")
	viewer := s.signIn("viewer")
	personal, _ := s.addToken("laptop", fmt.Sprintf(`"owner":%q`, viewer.id))
	robot, _ := s.addToken("robot", `"role":"admin"`)
	for _, c := range []struct {
		who    subject
		body   string
		status int
	}{
		{subject{}, `{"display":"x"}`, 401},
		{personal, `{"display":"x"}`, 403},
		{robot, `{"display":"x"}`, 403},
		{atTheMachine, `{"display":"x"}`, 403},
		{viewer, `{"display":"a\u001b[31m"}`, 400},
		{viewer, fmt.Sprintf(`{"display":%q}`, strings.Repeat("x", 101)), 400},
		{viewer, `{"display":"x","role":"admin"}`, 422},
		{viewer, `{}`, 422},
		{viewer, `{"display":"Vera Øst"}`, 200},
		{viewer, `{"display":"Vera Øst"}`, 200},
	} {
		if got := s.as(c.who, "PATCH", "/api/v1/session", c.body); got.status != c.status {
			t.Errorf("%s: %s: %d, want %d: %s", c.who.name, c.body, got.status, c.status, got.body)
		}
	}
	if m := s.me(viewer); m.Display != "Vera Øst" || m.Name != "viewer" || !m.HasPassword {
		t.Errorf("%+v", m)
	}
	if m := s.me(personal); m.Display != "" || m.HasPassword {
		t.Errorf("%+v", m)
	}
	log := s.onSocket("GET", "/api/v1/audit?action=user.change", "", 200)
	if strings.Count(log, `"action":"user.change"`) != 1 || !strings.Contains(log, `"display":"Vera Øst"`) {
		t.Error(log)
	}
	s.wantAs(viewer, "PATCH", "/api/v1/session", `{"display":""}`, 200)
	if m := s.me(viewer); m.Display != "" {
		t.Errorf("%+v", m)
	}
}
