package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

// accounts are the users and tokens of a site, whoever is asked for them.
type accounts interface {
	Users(ctx context.Context, after string, limit int) ([]auth.User, error)
	UserByName(ctx context.Context, name string) (auth.User, error)
	AddUser(ctx context.Context, n auth.NewUser) (auth.User, error)
	ChangeUser(ctx context.Context, id string, version int64, p auth.UserPatch) (auth.User, error)
	RemoveUser(ctx context.Context, id string, version int64) error
	Tokens(ctx context.Context, f auth.TokenFilter) ([]auth.Token, error)
	Token(ctx context.Context, id string) (auth.Token, error)
	CreateToken(ctx context.Context, n auth.NewToken) (auth.Token, string, error)
	RenewRobot(ctx context.Context, id string, expires time.Time) (auth.Token, string, error)
	RevokeToken(ctx context.Context, id string) error
}

func newAccounts(t *testing.T) *auth.Auth {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return must(t, first(auth.Open(t.Context(), s, auth.Options{Passwords: password.Params{Memory: 64, Time: 1, Threads: 1}})), nil)
}

// Users and tokens are managed in the same way whether their store is open here or
// an appliance has it.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *auth.Auth) accounts{
		"store": func(_ *testing.T, a *auth.Auth) accounts { return a },
		"client": func(t *testing.T, a *auth.Auth) accounts {
			server := httptest.NewServer(api.New(api.Options{Site: failing{}, Auth: a}))
			t.Cleanup(server.Close)
			return newClient(t, api.ClientOptions{Server: server.URL}).Accounts()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAccounts(t)
			site := open(t, a)
			lawUsers(t, a, site)
			lawTokens(t, a, site)
		})
	}
}

func lawUsers(t *testing.T, a *auth.Auth, s accounts) {
	t.Helper()
	const secret = "correct horse battery"
	u, err := s.AddUser(t.Context(), auth.NewUser{Name: "ada", Password: secret, Role: auth.Admin})
	if must(t, u, err); u.Name != "ada" || u.Role != auth.Admin || !u.HasPassword || u.Version != 1 {
		t.Errorf("%+v", u)
	}
	_, err = s.AddUser(t.Context(), auth.NewUser{Name: "Ada", Password: secret, Role: auth.Viewer})
	wantError(t, err, registry.ErrConflict)
	_, err = s.AddUser(t.Context(), auth.NewUser{Name: "eve", Password: "short", Role: auth.Viewer})
	wantError(t, err, registry.ErrInvalid)
	bob := must(t, first(s.AddUser(t.Context(), auth.NewUser{Name: "bob", Password: secret, Role: auth.Viewer})), nil)
	grants, role := []auth.Grant{{Prefix: "docker.io/library/", Actions: []auth.Action{auth.Push}}}, auth.Operator
	changed, err := s.ChangeUser(t.Context(), bob.ID, bob.Version, auth.UserPatch{Role: &role, Grants: &grants})
	if must(t, changed, err); changed.Role != auth.Operator || len(changed.Grants) != 1 || changed.Grants[0].Prefix != "docker.io/library" {
		t.Errorf("%+v", changed)
	}
	if got := must(t, first(s.UserByName(t.Context(), "BOB")), nil); got.ID != bob.ID || got.Version != changed.Version {
		t.Errorf("%+v", got)
	}
	next := "battery staple horse"
	must(t, first(s.ChangeUser(t.Context(), bob.ID, changed.Version, auth.UserPatch{Password: &next})), nil)
	must(t, first(a.CheckPassword(t.Context(), "bob", next, "192.0.2.1")), nil)
	_, err = s.UserByName(t.Context(), "nobody")
	wantError(t, err, registry.ErrNotFound)
	if list := must(t, first(s.Users(t.Context(), "", 10)), nil); len(list) != 2 || list[1].Name != "bob" {
		t.Errorf("%+v", list)
	}
	if list := must(t, first(s.Users(t.Context(), "ada", 10)), nil); len(list) != 1 {
		t.Errorf("%+v", list)
	}
	wantError(t, s.RemoveUser(t.Context(), u.ID, u.Version), registry.ErrConflict)
	if err := s.RemoveUser(t.Context(), bob.ID, changed.Version+1); err != nil {
		t.Error(err)
	}
}

func lawTokens(t *testing.T, a *auth.Auth, s accounts) {
	t.Helper()
	ada := must(t, first(s.UserByName(t.Context(), "ada")), nil)
	robot, text, err := s.CreateToken(t.Context(), auth.NewToken{Name: "ci", Role: auth.Viewer})
	if must(t, robot, err); robot.Kind != auth.RobotToken || !robot.Expires.IsZero() {
		t.Errorf("%+v", robot)
	}
	must(t, first(a.CheckToken(t.Context(), text, "")), nil)
	_, _, err = s.CreateToken(t.Context(), auth.NewToken{Name: "CI", Role: auth.Viewer})
	wantError(t, err, registry.ErrConflict)
	mine, _, err := s.CreateToken(t.Context(), auth.NewToken{Name: "laptop", Owner: ada.ID})
	must(t, mine, err)
	if list := must(t, first(s.Tokens(t.Context(), auth.TokenFilter{Owner: ada.ID, Limit: 5})), nil); len(list) != 1 || list[0].ID != mine.ID {
		t.Errorf("%+v", list)
	}
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	renewed, again, err := s.RenewRobot(t.Context(), robot.ID, until)
	if must(t, renewed, err); renewed.ID != robot.ID || !renewed.Expires.Equal(until) || again == text {
		t.Errorf("%+v", renewed)
	}
	_, err = a.CheckToken(t.Context(), text, "")
	wantError(t, err, auth.ErrUnauthenticated)
	if err := s.RevokeToken(t.Context(), robot.ID); err != nil {
		t.Error(err)
	}
	if got := must(t, first(s.Token(t.Context(), robot.ID)), nil); got.Revoked.IsZero() {
		t.Errorf("%+v", got)
	}
	wantError(t, s.RevokeToken(t.Context(), "aaaaaaaaaaaaaaaaaaaa"), registry.ErrNotFound)
}

// A list that is longer than a page comes whole, and no more of it than is wanted.
func TestPages(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	const robots = 203
	for k := range robots {
		if _, _, err := a.CreateToken(t.Context(), auth.NewToken{Name: fmt.Sprintf("r%d", k), Role: auth.Viewer}); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(api.New(api.Options{Site: failing{}, Auth: a}))
	defer server.Close()
	c := newClient(t, api.ClientOptions{Server: server.URL}).Accounts()
	for limit, want := range map[int]int{0: robots, 1: 1, 200: 200, 201: 201, 10_000: robots} {
		list := must(t, first(c.Tokens(t.Context(), auth.TokenFilter{Limit: limit})), nil)
		seen := map[string]bool{}
		for _, token := range list {
			seen[token.ID] = true
		}
		if len(list) != want || len(seen) != want {
			t.Errorf("limit %d: %d tokens, %d of them different, want %d", limit, len(list), len(seen), want)
		}
	}
}
