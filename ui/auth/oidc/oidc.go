// Package oidc lets in users whom an OpenID Connect provider knows. It is off
// unless a provider is configured, and speaks to nobody but that one, and only
// while somebody logs in: a site whose provider is away starts, and its local users
// log in as ever.
//
// The flow is the authorization code's (OpenID Connect Core 1.0, 3.1) with PKCE (RFC
// 7636), a state and a nonce. What has to be remembered of a login that has begun
// is in a cookie of the browser that began it, sealed by a key that lives as long
// as the process: nothing is kept here, and nobody else's browser can end it.
//
// Who somebody is, is issuer and subject. The name is taken over when the user is
// made, and refused when another user has it. The role follows from the groups that
// the provider tells, at every login.
package oidc

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// Where the handlers belong.
const (
	LoginPath    = "/auth/oidc/login"
	CallbackPath = "/auth/oidc/callback"
)

// Options name a provider. Issuer, ClientID and Roles or DefaultRole are needed.
type Options struct {
	Issuer       string // https, or on this machine
	ClientID     string
	ClientSecret string // empty for a public client
	// BaseURL is the site's address for browsers, like https://site.example; empty:
	// scheme and host of the request.
	BaseURL string
	// Scopes are asked for beside openid; profile when nil.
	Scopes []string
	// NameClaim has the user's name; preferred_username when empty.
	NameClaim string
	// GroupsClaim has the user's groups; groups when empty.
	GroupsClaim string
	// Roles are what groups mean here; the highest counts.
	Roles map[string]auth.Role
	// DefaultRole is that of users in none of these groups; auth.NoRole: they are
	// not let in.
	DefaultRole auth.Role
	// Hosts may be spoken to beside that of the issuer, when the provider has its
	// endpoints elsewhere.
	Hosts []string
	// RootCAs prove the provider; nil: those of the machine.
	RootCAs *x509.CertPool
	// Refuse answers a login that failed; nil: one line of text.
	Refuse func(http.ResponseWriter, *http.Request, error)
	// Log gets what browsers are not told. Nil for silence.
	Log *slog.Logger
}

// Provider logs users in through one identity provider.
type Provider struct {
	auth   *auth.Auth
	opts   Options
	client *http.Client
	seal   *sealer
	log    *slog.Logger

	mu    sync.Mutex // protects the rest
	found *oidc.Provider
	at    time.Time // when it was found
}

// New is a provider that is not asked anything yet. ErrInvalid for options that
// cannot work.
func New(a *auth.Auth, opts Options) (*Provider, error) {
	issuer, err := url.Parse(opts.Issuer)
	if err != nil || issuer.Host == "" || issuer.Scheme != "https" && (issuer.Scheme != "http" || !loopback(issuer.Hostname())) {
		return nil, fmt.Errorf("%w: the OpenID Connect issuer %q is no https address", registry.ErrInvalid, opts.Issuer)
	}
	if opts.ClientID == "" {
		return nil, fmt.Errorf("%w: OpenID Connect needs a client id", registry.ErrInvalid)
	}
	if err := opts.checkRoles(); err != nil {
		return nil, err
	}
	if opts.Scopes == nil {
		opts.Scopes = []string{"profile"}
	}
	if opts.NameClaim == "" {
		opts.NameClaim = "preferred_username"
	}
	if opts.GroupsClaim == "" {
		opts.GroupsClaim = "groups"
	}
	if opts.Refuse == nil {
		opts.Refuse = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	}
	p := &Provider{auth: a, opts: opts, log: opts.Log, seal: newSealer(), client: newClient(append([]string{issuer.Host}, opts.Hosts...), opts.RootCAs)}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p, nil
}

func (o *Options) checkRoles() error {
	roles := []auth.Role{}
	for _, r := range o.Roles {
		roles = append(roles, r)
	}
	if o.DefaultRole != auth.NoRole {
		roles = append(roles, o.DefaultRole)
	}
	if len(roles) == 0 {
		return fmt.Errorf("%w: OpenID Connect needs a role for some group, or a default role: nobody would be let in", registry.ErrInvalid)
	}
	for _, r := range roles {
		if r.Rights() == 0 {
			return fmt.Errorf("%w: role %q (viewer, operator, admin)", registry.ErrInvalid, string(r))
		}
	}
	return nil
}

// foundFor is how long what the provider says of itself is believed.
const foundFor = time.Hour

// provider is what the issuer says of itself. One that cannot be asked again is as
// it was.
func (p *Provider) provider(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil && time.Since(p.at) < foundFor {
		return p.found, nil
	}
	// A key set outlives the request that it was made for; the client's timeout
	// bounds it.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client), p.opts.Issuer)
	if err != nil {
		p.log.WarnContext(ctx, "the OpenID Connect provider does not answer", "issuer", p.opts.Issuer, "error", err)
		if p.found != nil {
			return p.found, nil
		}
		return nil, errAway
	}
	p.found, p.at = found, time.Now()
	return found, nil
}

// What browsers are told; the log says more.
var (
	errAway   = fmt.Errorf("%w: the identity provider does not answer; local users can log in", registry.ErrUnreachable)
	errStale  = fmt.Errorf("%w: this login was not begun in this browser, or too long ago: begin it again", registry.ErrDenied)
	errAnswer = fmt.Errorf("%w: the identity provider's answer does not prove who you are", registry.ErrDenied)
	errNoRole = fmt.Errorf("%w: none of your groups has a role at this site", registry.ErrDenied)
)

// config is how to speak to the provider for a request.
func (p *Provider) config(r *http.Request, found *oidc.Provider) *oauth2.Config {
	base := strings.TrimSuffix(p.opts.BaseURL, "/")
	if base == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		base = scheme + "://" + r.Host
	}
	return &oauth2.Config{
		ClientID: p.opts.ClientID, ClientSecret: p.opts.ClientSecret, Endpoint: found.Endpoint(),
		RedirectURL: base + CallbackPath, Scopes: append([]string{oidc.ScopeOpenID}, p.opts.Scopes...),
	}
}

// identity is who somebody is by what the provider says of them.
func (p *Provider) identity(subject string, c map[string]any) auth.Identity {
	name, _ := c[p.opts.NameClaim].(string)
	display, _ := c["name"].(string)
	return auth.Identity{Issuer: p.opts.Issuer, Subject: subject, Name: name, Display: displayable(display), Role: p.role(c[p.opts.GroupsClaim])}
}

// role is the highest that some groups have.
func (p *Provider) role(groups any) auth.Role {
	role := p.opts.DefaultRole
	list, _ := groups.([]any)
	if one, ok := groups.(string); ok {
		list = []any{one}
	}
	for _, g := range list {
		if name, ok := g.(string); ok {
			if r := p.opts.Roles[name]; slices.Index(auth.Roles(), r) > slices.Index(auth.Roles(), role) {
				role = r
			}
		}
	}
	return role
}

// displayable is a name that can be shown, or none.
func displayable(s string) string {
	if auth.CheckDisplay(s) != nil {
		return ""
	}
	return s
}
