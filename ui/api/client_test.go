package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/auth"
)

// A token is for one server: it is not sent where others can read it on the way,
// follows no redirection, and is in no error.
func TestTokenStays(t *testing.T) {
	t.Parallel()
	const token = "lf_secret"
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	var shown []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown = append(shown, r.Header.Get("Authorization"))
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL, Token: token})
	_, err := c.Session(t.Context())
	if err == nil || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "307") {
		t.Error(err)
	}
	if len(shown) != 1 || shown[0] != "Bearer "+token || len(elsewhere) != 0 {
		t.Errorf("%d requests with %q, elsewhere %q", len(shown), shown, elsewhere)
	}
	for server, exposed := range map[string]bool{
		"http://192.0.2.1": true, "http://site.example:5080": true, "http://127.0.0.1.example": true, "http://localhost.example": true,
		"http://127.0.0.1:1": false, "http://[::1]:1": false, "http://localhost": false, "https://192.0.2.1": false, "unix:///tmp/s": false,
	} {
		_, err := api.NewClient(api.ClientOptions{Server: server, Token: token})
		if exposed {
			wantError(t, err, registry.ErrInvalid)
		} else if err != nil {
			t.Errorf("%s: %v", server, err)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Error(err)
		}
	}
	_, err = api.NewClient(api.ClientOptions{Server: "https://ada:hunter2@site.example"})
	if wantError(t, err, registry.ErrInvalid); strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

// Passwords and keys are not sent to another machine over plain HTTP either.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	c := newClient(t, api.ClientOptions{Server: "http://192.0.2.1"}) // which answers nobody
	secret := "correct horse battery"
	_, err := c.Accounts().AddUser(t.Context(), auth.NewUser{Name: "ada", Password: secret, Role: auth.Admin})
	wantError(t, err, registry.ErrInvalid)
	_, err = c.Accounts().ChangeUser(t.Context(), "1", 1, auth.UserPatch{Password: &secret})
	wantError(t, err, registry.ErrInvalid)
	_, err = c.SetCertificate(t.Context(), []byte("cert"), []byte("key"), "")
	wantError(t, err, registry.ErrInvalid)
}
