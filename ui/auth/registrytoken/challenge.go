package registrytoken

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	registryauth "github.com/distribution/distribution/v3/registry/auth"
)

// What a challenge says is wrong (RFC 6750, 3.1).
const (
	invalidToken      = "invalid_token"
	insufficientScope = "insufficient_scope"
)

// challenge tells a client where to fetch a pass, and for which scopes.
type challenge struct {
	realm, service, problem string
	access                  []registryauth.Access
	err                     error
}

func (g *Gate) challenge(r *http.Request, access []registryauth.Access, problem string, err error) *challenge {
	return &challenge{g.opts.Realm(r), g.opts.Service, problem, access, err}
}

// Error implements error.
func (c *challenge) Error() string { return c.err.Error() }

// Unwrap is what the client lacks.
func (c *challenge) Unwrap() error { return c.err }

// SetHeaders implements auth.Challenge.
func (c *challenge) SetHeaders(_ *http.Request, w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", c.String())
}

// String is the value of the header (distribution's token specification, "Requesting
// a Token").
func (c *challenge) String() string {
	s := fmt.Sprintf("Bearer realm=%s,service=%s", quoted(c.realm), quoted(c.service))
	if scope := scopeParameter(c.access); scope != "" {
		s += ",scope=" + quoted(scope)
	}
	if c.problem != "" {
		s += ",error=" + quoted(c.problem)
	}
	return s
}

// quoted is a quoted-string (RFC 9110, 5.6.4).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s) + `"`
}

// scopeParameter writes accesses as scopes, one for each resource.
func scopeParameter(access []registryauth.Access) string {
	var resources []registryauth.Resource
	actions := map[registryauth.Resource][]string{}
	for _, a := range access {
		if !slices.Contains(resources, a.Resource) {
			resources = append(resources, a.Resource)
		}
		if !slices.Contains(actions[a.Resource], a.Action) {
			actions[a.Resource] = append(actions[a.Resource], a.Action)
		}
	}
	scopes := make([]string, len(resources))
	for i, r := range resources {
		slices.Sort(actions[r])
		scopes[i] = r.Type + ":" + r.Name + ":" + strings.Join(actions[r], ",")
	}
	return strings.Join(scopes, " ")
}
