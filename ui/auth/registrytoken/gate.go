// Package registrytoken is the registry's side of the identities of a site: it
// decides about requests for package registry/engine, and gives clients the tokens
// of distribution's token protocol. Who may do what is package auth's to know; here
// is only how registry clients show who they are.
//
// Nouns. A scope is what a client asks a token for, like
// repository:library/nginx:pull; several go into one token. A pass is such a token:
// a JWT that names a subject and the scopes that it was given for. It lets its
// holder do no more than its scopes, and no more than the subject may at the moment
// at which it is used: revoking a token or disabling a user ends all passes at
// once.
//
// What clients do. docker and skopeo ask for /v2/, get a 401 with the address of
// the token endpoint, fetch a pass there, with what docker login has stored as
// Basic or without anything, and come back with it; containerd and crane do so
// when what they want is answered 401. So /v2/ is always answered 401 to who shows
// nothing: docker login could not work else. Pulls that show nothing are served
// while everybody may pull. A site's own tokens are taken everywhere, also directly
// as a Bearer, and Basic is, for clients that know nothing of passes.
package registrytoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	registryauth "github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// Path is where the token endpoint belongs.
const Path = "/auth/token"

// DefaultService names the registry in its passes.
const DefaultService = "landfall"

const (
	lifetime    = time.Hour
	minLifetime = 5 * time.Minute
)

// Options of a Gate. The zero value is the default.
type Options struct {
	// Service names the registry in challenges and passes; DefaultService when
	// empty.
	Service string
	// Realm is the address of the token endpoint as the client of a request can
	// reach it; nil: Path at the host and by the scheme of the request.
	Realm func(*http.Request) string
	// Lifetime is how long a pass can be used, 5 minutes to an hour; an hour when
	// 0. A longer one costs nothing: what it allows is asked at each use.
	Lifetime time.Duration
	// Log gets what clients are not told. Nil for silence.
	Log *slog.Logger
}

// Gate decides about the requests of registry clients. It is the engine's
// AccessController, and its handler is the token endpoint.
type Gate struct {
	auth *auth.Auth
	opts Options
	log  *slog.Logger
	key  key

	mu     sync.Mutex // protects proven
	proven map[[32]byte]*claims
}

var _ registryauth.AccessController = (*Gate)(nil)

// New makes a gate for the identities of a site. Its signing key is made when
// there is none.
func New(ctx context.Context, a *auth.Auth, opts Options) (*Gate, error) {
	g := &Gate{auth: a, opts: opts, log: opts.Log, proven: map[[32]byte]*claims{}}
	if g.opts.Service == "" {
		g.opts.Service = DefaultService
	}
	if g.opts.Realm == nil {
		g.opts.Realm = realmOf
	}
	if g.opts.Lifetime == 0 {
		g.opts.Lifetime = lifetime
	}
	if g.opts.Lifetime < minLifetime || g.opts.Lifetime > lifetime {
		return nil, fmt.Errorf("%w: a registry token lasts 5 minutes to an hour, not %s", registry.ErrInvalid, g.opts.Lifetime)
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	var err error
	g.key, err = newKey(ctx, a)
	return g, err
}

func realmOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + Path
}

// caller is who makes a request, or why that cannot be said.
type caller struct {
	subject auth.Subject
	pass    *claims // nil: something else was shown, or nothing
	shown   bool    // something was
	err     error
}

type callerKey struct{}

// Wrap says who makes a request before next is asked, in the request's context: to
// Authorized, and to the audit log. Clients that have to wait after failed logins
// are told so at once.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.identify(r)
		var limited *auth.LimitedError
		if errors.As(c.err, &limited) {
			refuseLimited(w, limited)
			return
		}
		ctx := context.WithValue(r.Context(), callerKey{}, &c)
		next.ServeHTTP(w, r.WithContext(auth.WithSubject(ctx, c.subject)))
	})
}

// identify finds out who makes a request.
func (g *Gate) identify(r *http.Request) (c caller) {
	header := r.Header.Get("Authorization")
	// No session: a browser's cookie is none of a registry client's.
	if c.subject = g.auth.Bare(r); header == "" || c.subject.Known() {
		c.shown = c.subject.Known()
		return c
	}
	c.subject, c.shown = auth.Subject{}, true
	credentials, err := auth.ParseAuthorization(header)
	if err != nil {
		c.err = err
		return c
	}
	address := auth.AddressOf(r)
	switch {
	case credentials.Basic:
		c.subject, c.err = g.login(r.Context(), credentials, address)
	case auth.LooksLikeToken(credentials.Secret):
		c.subject, c.err = g.auth.CheckToken(r.Context(), credentials.Secret, address)
	default:
		if c.pass, c.err = g.verify(credentials.Secret); c.err == nil {
			c.subject, c.err = g.auth.Again(r.Context(), c.pass.Ref, address)
		}
	}
	return c
}

// login is who has a name and a token or password.
func (g *Gate) login(ctx context.Context, c auth.Credentials, address string) (auth.Subject, error) {
	if auth.LooksLikeToken(c.Secret) {
		return g.auth.CheckNamedToken(ctx, c.Name, c.Secret, address)
	}
	return g.auth.ByPassword(ctx, c.Name, c.Secret, address)
}

// Authorized implements AccessController. The error is a challenge for clients
// that can do something about it, and wraps registry.ErrDenied for those who may
// not, whatever they fetch.
func (g *Gate) Authorized(r *http.Request, access ...registryauth.Access) (*registryauth.Grant, error) {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	if !ok {
		it := g.identify(r)
		c = &it
	}
	switch {
	case c.err != nil && !errors.Is(c.err, registry.ErrDenied) && !errors.Is(c.err, registry.ErrInvalid):
		return nil, c.err // the site's own failure
	case c.err != nil:
		return nil, g.challenge(r, access, invalidToken, c.err)
	case len(access) == 0 && !c.shown:
		return nil, g.challenge(r, access, "", auth.ErrUnauthenticated)
	}
	grant := &registryauth.Grant{User: registryauth.UserInfo{Name: c.subject.Name}}
	for _, a := range access {
		if err := g.decide(r, c, a, access); err != nil {
			return nil, err
		}
		grant.Resources = append(grant.Resources, a.Resource)
	}
	return grant, nil
}

// decide is an error unless a caller may have one access of those that are asked.
func (g *Gate) decide(r *http.Request, c *caller, a registryauth.Access, all []registryauth.Access) error {
	switch {
	case !may(c.subject, a) && c.subject.Known():
		return fmt.Errorf("%w: %s may not %s", registry.ErrDenied, c.subject.Name, describe(a))
	case !may(c.subject, a):
		return g.challenge(r, all, "", auth.ErrUnauthenticated)
	case c.pass != nil && !c.pass.covers(r, a):
		return g.challenge(r, all, insufficientScope, registry.ErrDenied)
	}
	return nil
}

// may reports whether a subject has an access of the token scope grammar.
func may(s auth.Subject, a registryauth.Access) bool {
	switch {
	case a.Type == "repository" && a.Action == "*":
		return s.MayRepository(auth.Pull, a.Name) && s.MayRepository(auth.Push, a.Name) && s.MayRepository(auth.Delete, a.Name)
	case a.Type == "repository":
		return a.Name != "" && s.MayRepository(a.Action, a.Name)
	case a.Type == "registry" && a.Name == "catalog":
		return s.MayRepository(auth.Pull, "") // who may pull everything may see its names
	}
	return false
}

func describe(a registryauth.Access) string {
	if a.Type == "registry" {
		return "list all repositories"
	}
	return a.Action + " " + a.Name
}

// refuseLimited answers who has to wait as the registry's protocol does.
func refuseLimited(w http.ResponseWriter, limited *auth.LimitedError) {
	w.Header().Set("Retry-After", strconv.Itoa(int(limited.RetryAfter()/time.Second)))
	refuse(w, http.StatusTooManyRequests, errcode.ErrorCodeTooManyRequests.WithMessage(limited.Error()))
}

func refuse(w http.ResponseWriter, status int, e errcode.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errcode.Errors{e})
}
