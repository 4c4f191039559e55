package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// signedIn is an answer that begins or ends a session.
type signedIn struct {
	Cookie *http.Cookie `header:"Set-Cookie"`
	Body   me
}

type credentials struct {
	Name     string `json:"name" minLength:"1" maxLength:"128"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

type setupRequest struct {
	Secret   string `json:"secret" minLength:"1" maxLength:"128" doc:"What stands behind the # of the link"`
	Name     string `json:"name" minLength:"1" maxLength:"128" doc:"Of the administrator"`
	Password string `json:"password" minLength:"1" maxLength:"1024" doc:"At least 12 characters"`
}

type passwordRequest struct {
	Current  string `json:"current" minLength:"1" maxLength:"1024"`
	Password string `json:"password" minLength:"1" maxLength:"1024" doc:"At least 12 characters"`
}

func (a *API) loginRoutes() {
	a.meRoutes()
	add(a, route{method: http.MethodPost, path: "/session", id: "sign-in", right: Anyone, summary: "Sign in with a password"},
		func(ctx context.Context, in *struct{ Body credentials }) (*signedIn, error) {
			cookie, s, err := a.opts.Auth.Login(ctx, in.Body.Name, in.Body.Password)
			return a.signedIn(ctx, cookie, s, err)
		})
	add(a, route{method: http.MethodDelete, path: "/session", id: "sign-out", right: Anyone, summary: "End the session"},
		func(ctx context.Context, _ *nothing) (*signedIn, error) {
			cookie, err := a.opts.Auth.Logout(ctx)
			return a.signedIn(ctx, cookie, auth.Subject{}, err)
		})
	add(a, route{method: http.MethodPost, path: "/setup", id: "set-up", right: Anyone, summary: "Make the first administrator, with the link that the console shows"}, a.setUp)
	add(a, route{method: http.MethodPut, path: "/session/password", id: "change-password", right: Anyone, summary: "Change one's own password; all other sessions end"},
		func(ctx context.Context, in *struct{ Body passwordRequest }) (*signedIn, error) {
			cookie, s, err := a.opts.Auth.ChangePassword(ctx, in.Body.Current, in.Body.Password)
			return a.signedIn(ctx, cookie, s, err)
		})
}

func (a *API) signedIn(ctx context.Context, cookie *http.Cookie, s auth.Subject, err error) (*signedIn, error) {
	if err != nil {
		return nil, err
	}
	m, err := a.describe(ctx, s)
	return &signedIn{cookie, m}, err
}

// setUp makes the first administrator and signs it in.
func (a *API) setUp(ctx context.Context, in *struct{ Body setupRequest }) (*signedIn, error) {
	u, err := a.opts.Auth.CompleteSetup(ctx, in.Body.Secret, in.Body.Name, in.Body.Password)
	if err != nil {
		return nil, err
	}
	cookie, s, err := a.opts.Auth.StartSession(ctx, u, auth.ViaPassword)
	return a.signedIn(ctx, cookie, s, err)
}

// versionTag is the entity tag of something that counts its changes.
func versionTag(n int64) string { return fmt.Sprintf(`"%d"`, n) }

// versionOf is the version that a condition names. It has to: what somebody else
// has changed is not overwritten unseen.
func versionOf(ifMatch string) (n int64, err error) {
	if _, err := fmt.Sscanf(ifMatch, `"%d"`, &n); err != nil || versionTag(n) != ifMatch {
		return 0, &FieldError{"header.If-Match", fmt.Errorf("%w: want the ETag that was read", registry.ErrInvalid)}
	}
	return n, nil
}
