package appliance_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// push brings an image of one layer, and returns the digests of its manifest and
// layer.
func (s *site) push(who subject, repository, tag, content string) (manifest, layer string) {
	s.t.Helper()
	blob := func(text string) string {
		d := digest.FromString(text).String()
		s.wantAs(who, "POST", "/v2/"+repository+"/blobs/uploads/?digest="+url.QueryEscape(d), text, 201, "Content-Type", "application/octet-stream")
		return d
	}
	const image = "application/vnd.oci.image."
	config, layer := blob(`{"architecture":"amd64","os":"linux"}`), blob(content)
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"%[1]smanifest.v1+json","config":{"mediaType":"%[1]sconfig.v1+json","digest":%[2]q,"size":37},`+
		`"layers":[{"mediaType":"%[1]slayer.v1.tar","digest":%[3]q,"size":%[4]d}]}`, image, config, layer, len(content))
	s.wantAs(who, "PUT", "/v2/"+repository+"/manifests/"+tag, text, 201, "Content-Type", image+"manifest.v1+json")
	return digest.FromString(text).String(), layer
}

// Everybody manages their own sessions and tokens; those of others are for who has
// the right; and nobody makes more of themselves.
func TestOwn(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	admin := s.first("admin")
	s.addUser("viewer", "viewer", "")
	viewer := s.signIn("viewer")
	robot, _ := s.addToken("robot", `"role":"admin"`)
	personal, _ := s.addToken("laptop", fmt.Sprintf(`"owner":%q`, viewer.id))
	users, _ := s.addToken("users", fmt.Sprintf(`"owner":%q,"rights":["users.read","users.write","tokens.write"]`, admin.id))
	newUser := func(role string) string {
		return fmt.Sprintf(`{"name":"new-%s","password":%q,"role":%q}`, role, goodPassword, role)
	}
	for _, c := range []struct {
		who                subject
		method, path, body string
		status             int
	}{
		{viewer, "GET", "tokens?owner=" + viewer.id, "", 200},
		{viewer, "GET", "tokens", "", 403},
		{viewer, "GET", "tokens?owner=" + admin.id, "", 403},
		{viewer, "GET", "tokens/" + robot.id, "", 404},
		{viewer, "GET", "tokens/" + personal.id, "", 200},
		{viewer, "DELETE", "tokens/" + robot.id, "", 403},
		{viewer, "POST", "tokens", `{"name":"r","role":"viewer"}`, 403},
		{viewer, "POST", "tokens", fmt.Sprintf(`{"name":"p","owner":%q}`, admin.id), 403},
		{viewer, "POST", "tokens", fmt.Sprintf(`{"name":"p","owner":%q}`, viewer.id), 201},
		{viewer, "POST", "tokens", fmt.Sprintf(`{"name":"p","owner":%q,"role":"admin"}`, viewer.id), 201}, // it is no more than its user
		{viewer, "GET", "users/" + viewer.id + "/sessions", "", 200},
		{viewer, "GET", "users/" + admin.id + "/sessions", "", 403},
		{viewer, "DELETE", "users/" + admin.id + "/sessions", "", 403},
		{viewer, "DELETE", "users/" + admin.id + "/sessions/0123456789abcdef", "", 403},
		{viewer, "DELETE", "users/" + viewer.id + "/sessions/0123456789abcdef", "", 404},
		{viewer, "GET", "users/" + admin.id, "", 403},
		{personal, "GET", "tokens?owner=" + viewer.id, "", 403}, // tokens manage none
		{personal, "POST", "tokens", fmt.Sprintf(`{"name":"q","owner":%q}`, viewer.id), 403},
		{personal, "PUT", "session/password", fmt.Sprintf(`{"current":%q,"password":"another good password"}`, goodPassword), 403},
		{robot, "POST", "tokens", fmt.Sprintf(`{"name":"q","owner":%q}`, admin.id), 403},
		{users, "POST", "users", newUser("admin"), 403},
		{users, "POST", "users", newUser("operator"), 403},
		{users, "PATCH", "users/" + admin.id, `{"password":"another good password"}`, 403},
		{users, "POST", "tokens", `{"name":"s","role":"admin"}`, 403},
		{admin, "GET", "tokens", "", 200},
		{admin, "GET", "tokens?owner=" + viewer.id, "", 200},
		{admin, "POST", "tokens", fmt.Sprintf(`{"name":"p","owner":%q}`, viewer.id), 403}, // they are their user's
		{admin, "GET", "users/" + viewer.id + "/sessions", "", 200},
		{viewer, "DELETE", "tokens/" + personal.id, "", 204},
		{personal, "GET", "session", "", 401},
		{viewer, "DELETE", "users/" + viewer.id + "/sessions", "", 204},
		{viewer, "GET", "system/version", "", 401},
	} {
		if got := s.as(c.who, c.method, "/api/v1/"+c.path, c.body, "If-Match", `"1"`); got.status != c.status {
			t.Errorf("%s: %s %s %s: %d, want %d: %s", c.who.name, c.method, c.path, c.body, got.status, c.status, got.body)
		}
	}
}

// Who may pull from some repositories only is told of no others, by any operation
// that lets them in.
func TestRestricted(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{flags: map[string][]string{"anonymous-pull": {"false"}}})
	admin := s.first("admin")
	s.addUser("narrow", "viewer", `,"restricted":true,"grants":[{"prefix":"docker.io/team","actions":["pull"]}]`)
	narrow := s.signIn("narrow")
	some, _ := s.addToken("some", fmt.Sprintf(`"owner":%q,"grants":[{"prefix":"docker.io/team","actions":["pull"]}]`, admin.id))
	s.push(atTheMachine, teamRepository, "v1", "theirs")
	manifest, layer := s.push(atTheMachine, otherRepository, "v1", "not theirs")
	s.onSocket("POST", "/api/v1/content/pins", fmt.Sprintf(`{"repository":%q,"tag":"v1","owner":"x","reason":"y"}`, otherRepository), 200)
	operations, _ := s.operations()
	for _, who := range []subject{narrow, some} {
		for _, path := range []string{"names", "repositories", "artifact?name=" + teamRepository + ":v1"} {
			if body := s.wantAs(who, "GET", "/api/v1/content/"+path, "", 200); !strings.Contains(body, teamRepository) {
				t.Errorf("%s: %s: %s", who.name, path, body)
			}
		}
		for _, o := range operations {
			query := url.Values{}
			for _, p := range o.Parameters {
				switch p.Name {
				case "name":
					query.Set(p.Name, otherRepository+":v1")
				case "repository":
					query.Set(p.Name, otherRepository)
				case "digest":
					query.Set(p.Name, layer)
				}
			}
			for _, d := range []string{manifest, layer} {
				got := s.as(who, o.method, strings.ReplaceAll(filled(o.path), someDigest, d)+"?"+query.Encode(), "")
				if o.OperationID == "sign-out" || o.OperationID == "end-sessions" {
					who = s.again(who)
				}
				told := strings.Contains(o.path, "{digest}") || strings.Contains(got.body, "not theirs") || strings.Contains(got.body, "library/other") || strings.Contains(got.body, layer)
				if got.status < 300 && told {
					t.Errorf("%s: %s %s: %s", who.name, o.method, o.path, got.body)
				}
			}
		}
		for path, status := range map[string]int{teamRepository: 200, otherRepository: 403} {
			s.wantAs(who, "GET", "/api/v1/session", "", 200)
			who := who
			if who.name == "narrow" {
				who.headers = []string{"Authorization", basic("narrow", goodPassword)}
			}
			s.wantAs(who, "GET", "/v2/"+path+"/tags/list", "", status)
		}
	}
}

// again is a subject whose session may have ended.
func (s *site) again(who subject) subject {
	s.t.Helper()
	if who.headers[0] != "Cookie" {
		return who
	}
	return s.signIn(who.name)
}
