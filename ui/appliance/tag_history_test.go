package appliance_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry/registrytest"
)

// tagChange is a part of a tag's history.
type tagChange struct {
	Entry                 int64
	Action, Before, After string
	Actor                 struct{ Name, Kind, Address, Via string }
}

func historyOf(name, more string) string {
	return "/api/v1/content/history?name=" + url.QueryEscape(name) + more
}

// history is what a subject is told of a tag.
func (s *site) history(who subject, name, more string) (list []tagChange, next string) {
	s.t.Helper()
	var page struct {
		Items []tagChange
		Next  string
	}
	if err := json.Unmarshal([]byte(s.wantAs(who, "GET", historyOf(name, more), "", 200)), &page); err != nil {
		s.t.Fatal(err)
	}
	return page.Items, page.Next
}

// A tag's history tells what it pointed at and how that came, also when the tag is
// gone; who else than an auditor asks is not told from where.
func TestTagHistory(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	admin := s.first("admin")
	s.addUser("viewer", "viewer", "")
	viewer := s.signIn("viewer")
	robot, _ := s.addToken("ci", `"role":"operator"`)
	const name = registrytest.App + ":v1"
	first, _ := s.push(robot, registrytest.App, "v1", "one")
	upload := s.upload(admin, "a.bundle", newBundle(t, registrytest.NewFixture(t)))
	s.ended(field(t, s.wantAs(admin, "POST", "/api/v1/bundles/import", `{"upload":"`+upload+`"}`, 202), "id"))
	s.wantAs(admin, "DELETE", "/api/v1/content/artifact?name="+url.QueryEscape(name), "", 204)
	second, _ := s.push(atTheMachine, registrytest.App, "v1", "two")
	s.push(atTheMachine, registrytest.App, "v1", "two")
	s.wantAs(admin, "DELETE", "/api/v1/content/artifact?name="+url.QueryEscape(name), "", 204)
	list, next := s.history(admin, name, "")
	var got []string
	for _, c := range list {
		got = append(got, c.Action+" by "+c.Actor.Name)
	}
	want := []string{"deleted by admin", "pushed by " + list[1].Actor.Name, "deleted by admin", "imported by admin", "pushed by " + list[4].Actor.Name}
	if !slices.Equal(got, want) || next != "" || list[4].Before != "" || list[4].After != first || list[3].Before != first || list[1].After != second || list[0].After != "" || list[0].Before != second {
		t.Errorf("%+v, want %q", list, want)
	}
	if a := list[0].Actor; a.Address == "" || a.Via != "session" || list[3].Actor.Via != "job:import" || list[4].Actor.Kind != "robot" {
		t.Errorf("%+v", list)
	}
	told, _ := s.history(viewer, name, "")
	for i := range list {
		list[i].Actor.Address, list[i].Actor.Via = "", ""
	}
	if !slices.Equal(told, list) {
		t.Errorf("a viewer is told %+v", told)
	}
	var paged []tagChange
	for more := "&limit=2"; more != ""; {
		page, next := s.history(viewer, name, more)
		paged, more = append(paged, page...), ""
		if next != "" {
			more = "&limit=2&before=" + next
		}
	}
	if !slices.Equal(paged, list) {
		t.Errorf("by pages: %+v", paged)
	}
}

// A history is asked for by who may pull, of a tag that there is or was.
func TestTagHistoryRefused(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	s.addUser("narrow", "viewer", `,"restricted":true,"grants":[{"prefix":"docker.io/team","actions":["pull"]}]`)
	narrow := s.signIn("narrow")
	for _, repository := range []string{teamRepository, otherRepository} {
		for _, tag := range []string{"here", "gone"} {
			s.push(atTheMachine, repository, tag, "layer of "+tag)
		}
		s.onSocket("DELETE", "/api/v1/content/artifact?name="+repository+":gone", "", 204)
	}
	digest := field(t, s.onSocket("GET", "/api/v1/content/artifact?name="+teamRepository+":here", "", 200), "digest")
	for _, c := range []struct {
		who    subject
		name   string
		status int
	}{
		{narrow, teamRepository + ":here", 200},
		{narrow, teamRepository + ":gone", 200},
		{narrow, otherRepository + ":here", 404},
		{narrow, otherRepository + ":gone", 404},
		{narrow, "docker.io/other/none:v1", 404},
		{narrow, teamRepository + ":never", 404},
		{narrow, teamRepository + "@" + digest, 400},
		{narrow, "a b", 400},
		{subject{}, teamRepository + ":here", 401},
		{atTheMachine, otherRepository + ":gone", 200},
	} {
		got := s.as(c.who, "GET", historyOf(c.name, ""), "")
		if got.status != c.status || got.status == 200 && !strings.Contains(got.body, `"action":"pushed"`) {
			t.Errorf("%s: %s: %d %s, want %d", c.who.name, c.name, got.status, got.body, c.status)
		}
	}
	short := strings.TrimPrefix(teamRepository, "docker.io/")
	if list, _ := s.history(narrow, short+":here", ""); len(list) != 1 {
		t.Errorf("%s: %+v", short, list)
	}
}

// Where nobody is asked, what people do is not told as the appliance's own doing.
func TestOpenTagHistory(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{flags: map[string][]string{"open": {"true"}}})
	anybody := subject{name: "anybody"}
	s.push(anybody, teamRepository, "v1", "one")
	list, _ := s.history(anybody, teamRepository+":v1", "")
	if len(list) != 1 || list[0].Action != "pushed" || fmt.Sprint(list[0].Actor) != "{anonymous anonymous 127.0.0.1 open}" {
		t.Errorf("%+v", list)
	}
}
