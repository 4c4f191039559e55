package appliance_test

import "testing"

// A robot that may manage robots does so, though it has no tokens of its own; one that
// may not is refused.
func TestRobotsByRobot(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("ada")
	manager, _ := s.addToken("manager", `"rights":["tokens.write"]`)
	other, _ := s.addToken("other", `"role":"operator"`)
	id := field(t, s.wantAs(manager, "POST", "/api/v1/tokens", `{"name":"made","rights":["tokens.write"]}`, 201), "id")
	for _, path := range []string{"/api/v1/tokens", "/api/v1/tokens/" + id} {
		s.wantAs(manager, "GET", path, "", 200)
		s.wantAs(other, "GET", path, "", 403)
	}
	s.wantAs(other, "DELETE", "/api/v1/tokens/"+id, "", 403)
	s.wantAs(manager, "DELETE", "/api/v1/tokens/"+id, "", 204)
}
