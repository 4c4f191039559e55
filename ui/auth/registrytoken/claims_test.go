package registrytoken

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	registryauth "github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/ui/auth"
)

// sign makes a JWT of claims with a key.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Nothing passes but what this site has signed, for this registry, for now.
func TestForgedPasses(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	u := s.addUser("root", auth.Admin)
	const path = "/v2/a/manifests/x"
	s.want(404, "GET", path, s.pass(basic("root", goodPassword), "repository:a:pull"))
	kid, key, err := s.auth.SigningKey(t.Context(), "registry")
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, _ := ed25519.GenerateKey(rand.Reader)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	now := time.Now().Unix()
	good := map[string]any{
		"iss": "landfall", "sub": "root", "aud": "landfall", "iat": now, "nbf": now, "exp": now + 300, "jti": "1",
		"access": []Scope{{Type: "repository", Name: "a", Actions: []string{"pull"}}},
		"ref":    auth.Ref{User: u.ID, Epoch: 1},
	}
	with := func(pairs ...any) map[string]any {
		c := maps.Clone(good)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == nil {
				delete(c, pairs[i].(string))
			} else {
				c[pairs[i].(string)] = pairs[i+1]
			}
		}
		return c
	}
	segment := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	right := sign(t, jose.EdDSA, key, kid, good)
	s.want(404, "GET", path, "Bearer "+right)
	parts := strings.Split(right, ".")
	for what, text := range map[string]string{
		"alg none":                     segment(map[string]string{"alg": "none", "kid": kid}) + "." + parts[1] + ".",
		"alg none, no kid":             segment(map[string]string{"alg": "none"}) + "." + parts[1] + ".",
		"alg HS256, by the public key": sign(t, jose.HS256, []byte(key.Public().(ed25519.PublicKey)), kid, good),
		"alg ES256":                    sign(t, jose.ES256, ecKey, kid, good),
		"another key":                  sign(t, jose.EdDSA, otherKey, kid, good),
		"another key with its id":      sign(t, jose.EdDSA, otherKey, "other", good),
		"no kid":                       sign(t, jose.EdDSA, key, "", good),
		"its own key in the header":    segment(map[string]any{"alg": "EdDSA", "kid": kid, "jwk": jose.JSONWebKey{Key: otherKey.Public()}}) + "." + parts[1] + "." + parts[2],
		"another audience":             sign(t, jose.EdDSA, key, kid, with("aud", "other")),
		"no audience":                  sign(t, jose.EdDSA, key, kid, with("aud", nil)),
		"another issuer":               sign(t, jose.EdDSA, key, kid, with("iss", "other")),
		"expired":                      sign(t, jose.EdDSA, key, kid, with("iat", now-600, "nbf", now-600, "exp", now-1)),
		"not yet":                      sign(t, jose.EdDSA, key, kid, with("nbf", now+100)),
		"no end":                       sign(t, jose.EdDSA, key, kid, with("exp", nil)),
		"a far end":                    sign(t, jose.EdDSA, key, kid, with("exp", now+4000)),
		"without when":                 sign(t, jose.EdDSA, key, kid, with("iat", nil)),
		"another epoch":                sign(t, jose.EdDSA, key, kid, with("ref", auth.Ref{User: u.ID, Epoch: 2})),
		"of nobody":                    sign(t, jose.EdDSA, key, kid, with("ref", auth.Ref{User: "x", Epoch: 1})),
		"of a token that is none":      sign(t, jose.EdDSA, key, kid, with("ref", auth.Ref{Token: "x", User: u.ID, Epoch: 1})),
		"no ref":                       sign(t, jose.EdDSA, key, kid, with("ref", nil)),
		"no access":                    sign(t, jose.EdDSA, key, kid, with("access", nil)),
		"changed claims":               parts[0] + "." + segment(with("sub", "other")) + "." + parts[2],
		"cut":                          right[:len(right)-4],
		"longer":                       right + "AAAA",
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"two":                          right + "." + right,
		"JSON":                         `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"nothing":                      "..",
	} {
		if a := s.do("GET", path, "Bearer "+text, ""); a.StatusCode != 401 {
			t.Errorf("%s: %d", what, a.StatusCode)
		}
	}
	// The same site's pass for another registry of that name is signed by another key.
	other := newSite(t, Options{})
	other.addUser("root", auth.Admin)
	s.want(401, "GET", path, other.pass(basic("root", goodPassword), "repository:a:pull"))
	if len(s.gate.proven) > 20 {
		t.Errorf("%d passes are remembered", len(s.gate.proven))
	}
}

func TestParseScopes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"repository:a:pull":                        "repository:a:pull",
		"repository:10.0.0.5:5000/a/b:pull,push":   "repository:10.0.0.5:5000/a/b:pull,push",
		"repository(plugin):a:pull":                "repository:a:pull",
		"repository:a:pull repository:a:push,pull": "repository:a:pull,push",
		"repository:a:":                            "repository:a:",
		" registry:catalog:*  repository:b:pull ":  "registry:catalog:*|repository:b:pull",
		"":                      "",
		"a":                     "error",
		"repository:a":          "error",
		"repository::pull":      "error",
		"repository:a:pull,":    "error",
		"repository:a:PULL":     "error",
		"Repository:a:pull":     "error",
		"repository:a\x00:pull": "error",
		"repository:a\tb:pull":  "error",
		"repository():a:pull":   "error",
		"repository:" + strings.Repeat("a", 600) + ":pull": "error",
	} {
		list, err := parseScopes([]string{text})
		var got []string
		for _, s := range list {
			got = append(got, s.String())
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	many := strings.TrimSpace(strings.Repeat("repository:a:pull ", 400))
	if list, err := parseScopes([]string{many, many}); err != nil || len(list) != 1 {
		t.Errorf("%d, %v", len(list), err)
	}
	if _, err := parseScopes([]string{many, many, many}); err == nil {
		t.Error("endless scopes are read")
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	access := func(kind, name, action string) registryauth.Access {
		return registryauth.Access{Resource: registryauth.Resource{Type: kind, Name: name}, Action: action}
	}
	c := &challenge{realm: "https://x/auth\"\r\nSet-Cookie: a\\", service: "s", access: []registryauth.Access{
		access("repository", "b", "push"), access("repository", "a", "pull"), access("repository", "b", "pull"), access("registry", "catalog", "*"),
	}}
	want := `Bearer realm="https://x/auth\"Set-Cookie: a\\",service="s",scope="repository:b:pull,push repository:a:pull registry:catalog:*"`
	if c.String() != want {
		t.Errorf("%s\nwant %s", c, want)
	}
}

// What is read as scopes is read as the same again, and stays small.
func FuzzScopes(f *testing.F) {
	f.Add("repository:a:pull,push registry:catalog:*")
	f.Add("repository(plugin):10.0.0.5:5000/a:pull")
	f.Add("::: a:b:c,,d")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseScopes([]string{text})
		if err != nil {
			return
		}
		if len(list) > maxScopes || len(text) > maxScopeBytes {
			t.Errorf("%d scopes of %d bytes", len(list), len(text))
		}
		for _, s := range list {
			again, err := parseScope(s.String())
			if err != nil || again.String() != s.String() {
				t.Errorf("%q is read as %q, %v", s, again, err)
			}
			for _, part := range append([]string{s.Type, s.Name}, s.Actions...) {
				if strings.ContainsAny(part, "\" \\\r\n\x00") {
					t.Errorf("%q is in %q", part, text)
				}
			}
		}
	})
}

// No text but a pass of the site is one.
func FuzzPass(f *testing.F) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: "k"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	g := &Gate{opts: Options{Service: "s", Lifetime: time.Hour}, key: key{"k", signer, other.Public()}, proven: map[[32]byte]*claims{}}
	text, err := g.issue(auth.Subject{Name: "x"}, nil, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("..")
	f.Add(`{"payload":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := g.verify(text); err == nil {
			t.Errorf("%q is a pass: %+v", text, c)
		}
	})
}
