package registrytoken

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	registryauth "github.com/distribution/distribution/v3/registry/auth"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// claims are what a pass says (distribution's "Token Authentication
// Implementation"), and whom it is of.
type claims struct {
	jwt.Claims
	Access []Scope  `json:"access"`
	Ref    auth.Ref `json:"ref"`
}

// key signs passes, and proves those that it has signed.
type key struct {
	id     string
	signer jose.Signer
	public any
}

func newKey(ctx context.Context, a *auth.Auth) (key, error) {
	id, private, err := a.SigningKey(ctx, "registry")
	if err != nil {
		return key{}, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
	return key{id, signer, private.Public()}, err
}

// issue makes a pass of a subject for scopes.
func (g *Gate) issue(s auth.Subject, access []Scope, now time.Time) (string, error) {
	if access == nil {
		access = []Scope{}
	}
	return jwt.Signed(g.key.signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: g.opts.Service, Subject: s.Name, Audience: jwt.Audience{g.opts.Service}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(g.opts.Lifetime)),
		},
		Access: access, Ref: s.Ref(),
	}).Serialize()
}

// errPass is the answer to what is no pass of this site. It does not say why.
const errPass = auth.Unauthenticated("the token is not one of this registry, or it has expired")

// maxProven bounds the passes that are remembered; they begin anew when it is full.
const maxProven = 2048

// verify is what a pass says. That it was signed here is proven once.
func (g *Gate) verify(text string) (*claims, error) {
	sum := sha256.Sum256([]byte(text))
	g.mu.Lock()
	c := g.proven[sum]
	g.mu.Unlock()
	if c == nil {
		var err error
		if c, err = g.prove(text); err != nil {
			return nil, err
		}
		g.remember(sum, c)
	}
	if c.Expiry == nil || c.IssuedAt == nil || c.Expiry.Time().Sub(c.IssuedAt.Time()) > lifetime {
		return nil, errPass
	}
	if c.ValidateWithLeeway(jwt.Expected{Issuer: g.opts.Service, AnyAudience: jwt.Audience{g.opts.Service}, Time: time.Now()}, 0) != nil {
		return nil, errPass
	}
	return c, nil
}

func (g *Gate) remember(sum [sha256.Size]byte, c *claims) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.proven) >= maxProven {
		clear(g.proven)
	}
	g.proven[sum] = c
}

// prove checks a pass's signature: by the one algorithm and the one key.
func (g *Gate) prove(text string) (*claims, error) {
	t, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(t.Headers) != 1 || t.Headers[0].KeyID != g.key.id {
		return nil, errPass
	}
	c := &claims{}
	if err := t.Claims(g.key.public, c); err != nil {
		return nil, errPass
	}
	return c, nil
}

// covers reports whether a pass was given for an access. A client asks for scopes
// by the names that it knows: with ?ns= and for the aliases of docker.io the
// engine reads from others, and those count as asked for.
func (c *claims) covers(r *http.Request, a registryauth.Access) bool {
	namespace := ""
	if r.URL.RawQuery != "" {
		namespace = r.URL.Query().Get("ns")
	}
	return slices.ContainsFunc(c.Access, func(s Scope) bool {
		if s.Type != a.Type || !slices.Contains(s.Actions, a.Action) && !slices.Contains(s.Actions, "*") {
			return false
		}
		return s.Name == a.Name || a.Type == "repository" && (means(namespace, s.Name, a.Name) || a.Action == auth.Pull && means(hub, s.Name, a.Name))
	})
}

const hub = "docker.io"

// means reports whether a name, at a host, is a repository here.
func means(host, name, repository string) bool {
	if host == "" {
		return false
	}
	if first, rest, ok := strings.Cut(name, "/"); ok && isHub(first) && isHub(host) {
		name = rest
	}
	if isHub(host) {
		host = hub
		if !strings.Contains(name, "/") {
			name = "library/" + name
		}
	}
	return registry.RepositoryPath(host+"/"+name) == repository
}

func isHub(host string) bool {
	return host == hub || host == "index.docker.io" || host == "registry-1.docker.io"
}

// granted are the scopes of those that were asked for that a subject may have.
func granted(s auth.Subject, asked []Scope) (list []Scope) {
	for _, scope := range asked {
		actions := scope.Actions
		if scope.Type == "repository" && slices.Contains(actions, "*") {
			actions = []string{auth.Pull, auth.Push, auth.Delete}
		}
		may := Scope{Type: scope.Type, Class: scope.Class, Name: scope.Name}
		for _, action := range actions {
			if mayHave(s, scope, action) {
				may.Actions = append(may.Actions, action)
			}
		}
		if len(may.Actions) > 0 {
			list = append(list, may)
		}
	}
	return list
}

// mayHave reports whether a pass may name an action. One to pull what the client
// calls org/app is given to who may pull that from any host: which one is meant is
// only known when it is used.
func mayHave(s auth.Subject, scope Scope, action string) bool {
	if may(s, registryauth.Access{Resource: registryauth.Resource{Type: scope.Type, Name: scope.Name}, Action: action}) {
		return true
	}
	if scope.Type != "repository" || action != auth.Pull {
		return false
	}
	if means := hub + "/" + scope.Name; s.MayRepository(action, means) || !strings.Contains(scope.Name, "/") && s.MayRepository(action, hub+"/library/"+scope.Name) {
		return true
	}
	grants, _ := s.Grants()
	return slices.ContainsFunc(grants, func(g auth.Grant) bool {
		host, _, _ := strings.Cut(g.Prefix, "/")
		return s.MayRepository(action, host+"/"+scope.Name)
	})
}
