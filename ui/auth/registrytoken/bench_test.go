package registrytoken

import (
	"net/http/httptest"
	"testing"
	"time"

	registryauth "github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/ui/auth"
)

// BenchmarkAuthorized is what it costs to let a request in.
func BenchmarkAuthorized(b *testing.B) {
	s := newBare(b, Options{})
	_, text := s.addToken(auth.NewToken{Name: "ci", Role: auth.Viewer})
	subject, err := s.auth.CheckToken(b.Context(), text, "")
	if err != nil {
		b.Fatal(err)
	}
	pass, err := s.gate.issue(subject, []Scope{{Type: "repository", Name: "a", Actions: []string{"pull"}}}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for what, header := range map[string]string{"pass": "Bearer " + pass, "token": "Bearer " + text} {
		b.Run(what, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/v2/a/blobs/x", nil)
			r.Header.Set("Authorization", header)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.gate.Authorized(r, registryauth.Access{Resource: registryauth.Resource{Type: "repository", Name: "a"}, Action: "pull"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
