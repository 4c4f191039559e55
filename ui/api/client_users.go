package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// Accounts are the users and tokens of an appliance, through its Client. The
// methods are those of auth.Auth.
type Accounts struct{ client *Client }

// Accounts are the appliance's users and tokens.
func (c *Client) Accounts() *Accounts { return &Accounts{c} }

// Session is who somebody is for an appliance.
type Session = me

// Session says who the client is, and what it may do.
func (c *Client) Session(ctx context.Context) (s Session, err error) {
	return s, c.call(ctx, http.MethodGet, "session", nil, &s)
}

// Users lists users by name, those after one name; all of them when limit is 0.
func (a *Accounts) Users(ctx context.Context, after string, limit int) ([]auth.User, error) {
	l := listing{path: "users", query: url.Values{}, cursor: "after", limit: limit}
	if after != "" {
		l.query.Set("after", after)
	}
	return pages[auth.User](ctx, a.client, l)
}

// UserByName is the user of a name, whatever the size of its letters.
func (a *Accounts) UserByName(ctx context.Context, name string) (auth.User, error) {
	users, err := a.Users(ctx, "", 0)
	if err != nil {
		return auth.User{}, err
	}
	k := slices.IndexFunc(users, func(u auth.User) bool { return strings.EqualFold(u.Name, name) })
	if k < 0 {
		return auth.User{}, fmt.Errorf("%w: no such user", registry.ErrNotFound)
	}
	return users[k], nil
}

// AddUser makes a user.
func (a *Accounts) AddUser(ctx context.Context, n auth.NewUser) (u auth.User, err error) {
	if a.client.exposed != nil {
		return u, a.client.exposed
	}
	return u, a.client.call(ctx, http.MethodPost, "users", n, &u)
}

// ChangeUser changes a user of a version.
func (a *Accounts) ChangeUser(ctx context.Context, id string, version int64, p auth.UserPatch) (u auth.User, err error) {
	if p.Password != nil && a.client.exposed != nil {
		return u, a.client.exposed
	}
	answer, err := a.client.send(ctx, http.MethodPatch, "users/"+url.PathEscape(id), p, typeJSON, "If-Match", versionTag(version))
	return u, a.client.read(ctx, answer, err, &u)
}

// RemoveUser removes a user of a version.
func (a *Accounts) RemoveUser(ctx context.Context, id string, version int64) error {
	answer, err := a.client.send(ctx, http.MethodDelete, "users/"+url.PathEscape(id), nil, typeJSON, "If-Match", versionTag(version))
	return a.client.read(ctx, answer, err, nil)
}

// Tokens lists tokens by their ids; all of them when the filter's limit is 0.
func (a *Accounts) Tokens(ctx context.Context, f auth.TokenFilter) ([]auth.Token, error) {
	l := listing{path: "tokens", query: url.Values{}, cursor: "after", limit: f.Limit}
	if f.Owner != "" {
		l.query.Set("owner", f.Owner)
	}
	if f.After != "" {
		l.query.Set("after", f.After)
	}
	return pages[auth.Token](ctx, a.client, l)
}

// Token is the token of an id.
func (a *Accounts) Token(ctx context.Context, id string) (t auth.Token, err error) {
	return t, a.client.call(ctx, http.MethodGet, "tokens/"+url.PathEscape(id), nil, &t)
}

// CreateToken makes a token and returns its text, which is told this once.
func (a *Accounts) CreateToken(ctx context.Context, n auth.NewToken) (auth.Token, string, error) {
	var told toldToken
	err := a.client.call(ctx, http.MethodPost, "tokens", n, &told)
	return told.Token, told.Text, err
}

// RenewRobot gives a robot another secret, and another end when expires is not
// zero.
func (a *Accounts) RenewRobot(ctx context.Context, id string, expires time.Time) (auth.Token, string, error) {
	var in renewInput
	in.Body.Expires = expires
	var told toldToken
	err := a.client.call(ctx, http.MethodPost, "tokens/"+url.PathEscape(id)+"/renew", in.Body, &told)
	return told.Token, told.Text, err
}

// RevokeToken ends a token at once.
func (a *Accounts) RevokeToken(ctx context.Context, id string) error {
	return a.client.call(ctx, http.MethodDelete, "tokens/"+url.PathEscape(id), nil, nil)
}
