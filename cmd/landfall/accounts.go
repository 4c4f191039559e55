package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
)

// userSite has the users of a site.
type userSite interface {
	Users(ctx context.Context, after string, limit int) ([]auth.User, error)
	UserByName(ctx context.Context, name string) (auth.User, error)
	AddUser(ctx context.Context, n auth.NewUser) (auth.User, error)
	ChangeUser(ctx context.Context, id string, version int64, p auth.UserPatch) (auth.User, error)
	RemoveUser(ctx context.Context, id string, version int64) error
}

// tokenSite has the tokens of a site.
type tokenSite interface {
	Tokens(ctx context.Context, f auth.TokenFilter) ([]auth.Token, error)
	Token(ctx context.Context, id string) (auth.Token, error)
	CreateToken(ctx context.Context, n auth.NewToken) (auth.Token, string, error)
	RenewRobot(ctx context.Context, id string, expires time.Time) (auth.Token, string, error)
	RevokeToken(ctx context.Context, id string) error
}

// accounts are the users and tokens of a site: those of a store that is open here,
// or those of an appliance.
type accounts interface {
	userSite
	tokenSite
}

var (
	_ accounts = (*auth.Auth)(nil)
	_ accounts = (*api.Accounts)(nil)
)

// accounts makes a command that works on users and tokens. Whoever has the data
// folder may do everything with them, and is written down for it.
func (f *siteFlags) accounts(run func(c *cobra.Command, a accounts, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		if err := f.mustExist(); err != nil {
			return err
		}
		local, server, err := f.find(c.Context())
		if err != nil {
			return err
		}
		if local == nil {
			client, err := f.dial(server)
			if err != nil {
				return err
			}
			defer client.Close()
			return run(c, client.Accounts(), args)
		}
		defer func() { err = errors.Join(err, local.Close()) }()
		a, err := openAccounts(c.Context(), local)
		if err != nil {
			return err
		}
		c.SetContext(audit.WithActor(c.Context(), *localActor()))
		return run(c, a, args)
	}
}

func openAccounts(ctx context.Context, s *store.Store) (*auth.Auth, error) {
	log, err := audit.Open(ctx, s)
	if err != nil {
		return nil, err
	}
	return auth.Open(ctx, s, auth.Options{Audit: log})
}

// anyRepository is how people write the empty prefix of a grant.
const anyRepository = "*"

// parseGrants reads PREFIX:ACTION,ACTION; hosts in prefixes may have ports.
func parseGrants(list []string) ([]auth.Grant, error) {
	grants := make([]auth.Grant, 0, len(list))
	for _, text := range list {
		colon := strings.LastIndexByte(text, ':')
		if colon <= 0 || colon == len(text)-1 {
			return nil, usageError{fmt.Errorf("--grant %q: want PREFIX:ACTIONS, like docker.io/library:pull,push, or %s:pull for every repository", text, anyRepository)}
		}
		g := auth.Grant{Prefix: text[:colon], Actions: strings.Split(text[colon+1:], ",")}
		if g.Prefix == anyRepository {
			g.Prefix = ""
		}
		grants = append(grants, g)
	}
	return grants, nil
}

func describeGrants(list []auth.Grant) string {
	texts := make([]string, 0, len(list))
	for _, g := range list {
		prefix := g.Prefix
		if prefix == "" {
			prefix = anyRepository
		}
		texts = append(texts, prefix+":"+strings.Join(g.Actions, ","))
	}
	return strings.Join(texts, " ")
}

const grantUsage = "let it do more below a `prefix` of repositories: docker.io/library:pull,push; may be repeated"

// parseExpiry reads when something ends; the zero time for "".
func parseExpiry(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	age, err := units.ParseAge(text)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("--expires %q: want a time from now like 30d, or a day like 2027-05-01", text)}
	}
	return time.Now().Add(age), nil
}

// day is a time for people; "-" when there is none.
func day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}
