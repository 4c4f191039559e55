package api

import (
	"context"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/ui/auth"
)

type userAnswer struct {
	ETag string `header:"ETag"`
	Body auth.User
}

func giveUser(u auth.User, err error) (*userAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &userAnswer{versionTag(u.Version), u}, nil
}

// UserID names a user.
type UserID struct {
	ID string `path:"id" maxLength:"64" doc:"The user's id"`
}

type usersInput struct {
	After string `query:"after" maxLength:"128" doc:"Those after this name: next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type changeUserInput struct {
	UserID
	IfMatch string `header:"If-Match" required:"true" doc:"The ETag that was read"`
	Body    auth.UserPatch
}

type removeUserInput struct {
	UserID
	IfMatch string `header:"If-Match" required:"true" doc:"The ETag that was read"`
}

// ofVersion is the version that a condition names, when the user still has it.
func (a *API) ofVersion(ctx context.Context, id, ifMatch string) (int64, error) {
	version, err := versionOf(ifMatch)
	if err != nil {
		return 0, err
	}
	u, err := a.opts.Auth.User(ctx, id)
	if err == nil && u.Version != version {
		err = ErrPrecondition
	}
	return version, err
}

func (a *API) userRoutes() {
	u := a.opts.Auth
	add(a, route{method: http.MethodGet, path: "/users", id: "list-users", right: auth.UsersRead, summary: "List users by name"},
		func(ctx context.Context, in *usersInput) (*answer[page[auth.User]], error) {
			list, err := u.Users(ctx, in.After, in.Limit+1)
			return give(pageOf(list, in.Limit, func(u auth.User) string { return u.Name }), err)
		})
	add(a, route{method: http.MethodPost, path: "/users", id: "add-user", right: auth.UsersWrite, status: http.StatusCreated, summary: "Add a user"},
		func(ctx context.Context, in *struct{ Body auth.NewUser }) (*userAnswer, error) {
			return giveUser(u.AddUser(ctx, in.Body))
		})
	add(a, route{method: http.MethodGet, path: "/users/{id}", id: "get-user", right: auth.UsersRead, summary: "Read a user"},
		func(ctx context.Context, in *UserID) (*userAnswer, error) { return giveUser(u.User(ctx, in.ID)) })
	add(a, route{method: http.MethodPatch, path: "/users/{id}", id: "change-user", right: auth.UsersWrite, summary: "Change a user"},
		func(ctx context.Context, in *changeUserInput) (*userAnswer, error) {
			version, err := a.ofVersion(ctx, in.ID, in.IfMatch)
			if err != nil {
				return nil, err
			}
			changed, err := u.ChangeUser(ctx, in.ID, version, in.Body)
			return giveUser(changed, err)
		})
	add(a, route{method: http.MethodDelete, path: "/users/{id}", id: "remove-user", right: auth.UsersWrite, summary: "Remove a user, with sessions and personal tokens"},
		func(ctx context.Context, in *removeUserInput) (*nothing, error) {
			version, err := a.ofVersion(ctx, in.ID, in.IfMatch)
			if err != nil {
				return nil, err
			}
			return &nothing{}, u.RemoveUser(ctx, in.ID, version)
		})
	a.sessionRoutes()
	a.tokenRoutes()
}

type sessionInput struct {
	UserID
	Session string `path:"session" maxLength:"64" doc:"The session's id"`
}

// sessionRoutes are for everybody who has a session; those of others need a right,
// which package auth asks for.
func (a *API) sessionRoutes() {
	u := a.opts.Auth
	add(a, route{method: http.MethodGet, path: "/users/{id}/sessions", id: "list-sessions", right: auth.TokensOwn, summary: "List a user's sessions"},
		func(ctx context.Context, in *UserID) (*answer[[]auth.Session], error) {
			return give(u.Sessions(ctx, in.ID))
		})
	add(a, route{method: http.MethodDelete, path: "/users/{id}/sessions", id: "end-sessions", right: auth.TokensOwn, summary: "End all sessions of a user"},
		func(ctx context.Context, in *UserID) (*nothing, error) { return &nothing{}, u.EndSessions(ctx, in.ID) })
	add(a, route{method: http.MethodDelete, path: "/users/{id}/sessions/{session}", id: "end-session", right: auth.TokensOwn, summary: "End one session of a user"},
		func(ctx context.Context, in *sessionInput) (*nothing, error) {
			return &nothing{}, u.EndSession(ctx, in.ID, in.Session)
		})
}

type tokensInput struct {
	Owner string `query:"owner" maxLength:"64" doc:"The id of the user whose personal tokens are meant; without it, the robots"`
	After string `query:"after" maxLength:"64" doc:"Those after this id: next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// TokenID names a token.
type TokenID struct {
	ID string `path:"id" maxLength:"64" doc:"The token's id"`
}

// toldToken is a token with its text, which is told once.
type toldToken struct {
	auth.Token
	Text string `json:"text" doc:"The token itself; it cannot be read again"`
}

type renewInput struct {
	TokenID
	Body struct {
		Expires time.Time `json:"expires,omitzero" doc:"When it ends; absent: as it was"`
	}
}

// tokenRoutes: who may see and make which tokens is package auth's to say.
func (a *API) tokenRoutes() {
	u := a.opts.Auth
	add(a, route{method: http.MethodGet, path: "/tokens", id: "list-tokens", right: auth.TokensOwn, or: auth.TokensWrite, summary: "List tokens, also those that have ended"},
		func(ctx context.Context, in *tokensInput) (*answer[page[auth.Token]], error) {
			list, err := u.Tokens(ctx, auth.TokenFilter{Owner: in.Owner, After: in.After, Limit: in.Limit + 1})
			return give(pageOf(list, in.Limit, func(t auth.Token) string { return t.ID }), err)
		})
	add(a, route{method: http.MethodPost, path: "/tokens", id: "create-token", right: auth.TokensOwn, or: auth.TokensWrite, status: http.StatusCreated, summary: "Make a personal token, or a robot"},
		func(ctx context.Context, in *struct{ Body auth.NewToken }) (*answer[toldToken], error) {
			t, text, err := u.CreateToken(ctx, in.Body)
			return give(toldToken{t, text}, err)
		})
	add(a, route{method: http.MethodGet, path: "/tokens/{id}", id: "get-token", right: auth.TokensOwn, or: auth.TokensWrite, summary: "Read what is known of a token"},
		func(ctx context.Context, in *TokenID) (*answer[auth.Token], error) { return give(u.Token(ctx, in.ID)) })
	add(a, route{method: http.MethodPost, path: "/tokens/{id}/renew", id: "renew-robot", right: auth.TokensWrite, summary: "Give a robot another secret; the one that it had ends"},
		func(ctx context.Context, in *renewInput) (*answer[toldToken], error) {
			t, text, err := u.RenewRobot(ctx, in.ID, in.Body.Expires)
			return give(toldToken{t, text}, err)
		})
	add(a, route{method: http.MethodDelete, path: "/tokens/{id}", id: "revoke-token", right: auth.TokensOwn, or: auth.TokensWrite, summary: "End a token at once"},
		func(ctx context.Context, in *TokenID) (*nothing, error) { return &nothing{}, u.RevokeToken(ctx, in.ID) })
}
