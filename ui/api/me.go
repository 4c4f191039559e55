package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/landfall-dev/landfall/ui/auth"
)

// me is who makes a request, and what may be offered to it.
type me struct {
	Name        string       `json:"name"`
	Display     string       `json:"display,omitempty" doc:"The name as people write it, of a user with a session"`
	ID          string       `json:"id,omitempty"`
	HasPassword bool         `json:"hasPassword,omitempty" doc:"A user with a session, who has a password to change; without, the identity provider has it"`
	Kind        auth.Kind    `json:"kind" enum:"anonymous,user,robot,local"`
	Role        auth.Role    `json:"role,omitempty"`
	Via         string       `json:"via,omitempty" doc:"How it came: session, token, password, socket; open: the appliance asks nobody who they are"`
	Rights      []auth.Right `json:"rights" doc:"All that it may do"`
	Grants      []auth.Grant `json:"grants" doc:"What it may do in repositories beyond its rights, or instead of them"`
	Restricted  bool         `json:"restricted"`
	Setup       bool         `json:"setup" doc:"There is no user yet: the first one is made with the link that the console shows"`
	OIDC        bool         `json:"oidc" doc:"People can sign in through an identity provider, at /auth/oidc/login"`
	SiteName    string       `json:"siteName,omitempty" doc:"What the site is called, the setting site.name"`
	Banner      string       `json:"banner,omitempty" doc:"What everybody is told before signing in, the setting site.banner; it may have several lines"`
}

type profileRequest struct {
	Display string `json:"display" maxLength:"400" doc:"The name as people write it, of at most 100 characters; empty: the name that one signs in with"`
}

func (a *API) meRoutes() {
	add(a, route{method: http.MethodGet, path: "/session", id: "get-session", right: Anyone, summary: "Say who is signed in, and what may be done"},
		func(ctx context.Context, _ *nothing) (*answer[me], error) {
			s, _ := auth.SubjectOf(ctx)
			return give(a.describe(ctx, s))
		})
	add(a, route{method: http.MethodPatch, path: "/session", id: "change-profile", right: Anyone, summary: "Change one's own display name"}, a.changeProfile)
}

// describe is a subject as it is told of itself.
func (a *API) describe(ctx context.Context, s auth.Subject) (me, error) {
	grants, restricted := s.Grants()
	m := me{Name: s.Name, ID: s.ID, Kind: s.Kind, Role: s.Role, Via: s.Via, Rights: s.Rights(), Grants: grants, Restricted: restricted, OIDC: a.opts.OIDC}
	if a.opts.Settings != nil {
		site := a.opts.Settings.Get().Config.Site
		m.SiteName, m.Banner = site.Name, site.Banner
	}
	if a.opts.Auth == nil {
		m.Name, m.Kind, m.Role, m.Via, m.Rights = string(auth.Anonymous), auth.Anonymous, auth.Admin, auth.ViaOpen, openRights()
	}
	if m.Kind == "" {
		m.Kind = auth.Anonymous
	}
	if m.Rights == nil {
		m.Rights = []auth.Right{}
	}
	if m.Grants == nil {
		m.Grants = []auth.Grant{}
	}
	return m, a.describeUser(ctx, &m)
}

// describeUser adds what the identities of the site know, where it has any.
func (a *API) describeUser(ctx context.Context, m *me) (err error) {
	if a.opts.Auth == nil {
		return nil
	}
	if m.Via == auth.ViaSession {
		if m.Display, m.HasPassword, err = a.opts.Auth.Profile(ctx, m.ID); err != nil {
			return err
		}
	}
	m.Setup, err = a.opts.Auth.NeedsSetup(ctx)
	return err
}

// openRights are everybody's where nobody is asked who they are: there are no users
// and tokens then that could be managed.
func openRights() []auth.Right {
	people := []auth.Right{auth.UsersRead, auth.UsersWrite, auth.TokensOwn, auth.TokensWrite}
	return slices.DeleteFunc(auth.AllRights(), func(r auth.Right) bool { return slices.Contains(people, r) })
}

func (a *API) changeProfile(ctx context.Context, in *struct{ Body profileRequest }) (*answer[me], error) {
	if err := offered(a.opts.Auth != nil, "has no users"); err != nil {
		return nil, err
	}
	if err := a.opts.Auth.ChangeDisplay(ctx, in.Body.Display); err != nil {
		return nil, err
	}
	s, _ := auth.SubjectOf(ctx)
	return give(a.describe(ctx, s))
}
