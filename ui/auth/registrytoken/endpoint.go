package registrytoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/api/errcode"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// maxForm bounds what is posted to the token endpoint, in bytes.
const maxForm = 64 << 10

// answer is a pass on its way to a client; both names mean the same.
type answer struct {
	Token       string    `json:"token,omitempty"`
	AccessToken string    `json:"access_token"`
	Scope       string    `json:"scope,omitempty"`
	ExpiresIn   int       `json:"expires_in"` // seconds
	IssuedAt    time.Time `json:"issued_at"`
}

// ServeHTTP is the token endpoint. GET (distribution's "Token Authentication
// Specification") takes Basic or nothing, POST ("OAuth2") a form with a password or
// one of the site's tokens as the refresh token. What the subject may not have of
// what it asks for is left out. No refresh tokens are given: clients keep what
// they logged in with.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet:
		g.get(w, r)
	case http.MethodPost:
		g.post(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		refuse(w, http.StatusMethodNotAllowed, errcode.ErrorCodeUnsupported.WithMessage(r.Method+" is not possible here"))
	}
}

func (g *Gate) get(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, errcode.ErrorCodeUnknown.WithMessage("the query cannot be read"))
		return
	}
	asked, err := parseScopes(query["scope"])
	if err == nil {
		err = g.checkService(query.Get("service"))
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, errcode.ErrorCodeUnknown.WithMessage(err.Error()))
		return
	}
	c := g.identify(r)
	if c.err == nil && c.pass != nil {
		c.err = errPass // a pass is for the registry
	}
	if c.err == nil && !c.shown && !c.subject.MayRepository(auth.Pull, "") {
		c.err = auth.ErrUnauthenticated
	}
	if c.err != nil {
		g.refuseGet(w, r, c.err)
		return
	}
	g.grant(w, r, c.subject, asked, false)
}

// refuseGet asks for credentials, unless that is of no help.
func (g *Gate) refuseGet(w http.ResponseWriter, r *http.Request, err error) {
	var limited *auth.LimitedError
	switch {
	case errors.As(err, &limited):
		refuseLimited(w, limited)
	case errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrInvalid):
		w.Header().Set("WWW-Authenticate", `Basic realm=`+quoted(g.opts.Service))
		refuse(w, http.StatusUnauthorized, errcode.ErrorCodeUnauthorized.WithMessage(err.Error()))
	default:
		g.failed(r.Context(), err)
		refuse(w, http.StatusInternalServerError, errcode.ErrorCodeUnknown.WithMessage(unfit))
	}
}

// unfit stands for the text of an error that is not for clients.
const unfit = "the site could not do this; its log says why"

func (g *Gate) failed(ctx context.Context, err error) {
	g.log.ErrorContext(ctx, "a registry token was not given", "error", err)
}

// checkService refuses to be asked for another registry's tokens. Not all clients
// say for which one they ask.
func (g *Gate) checkService(service string) error {
	if service != "" && service != g.opts.Service {
		return fmt.Errorf("%w: this registry is not %q", registry.ErrInvalid, clip(service))
	}
	return nil
}

// oauthError is a refusal by the rules of OAuth2 (RFC 6749, 5.2).
func oauthError(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text})
}

func (g *Gate) post(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return
	}
	asked, err := parseScopes(r.PostForm["scope"])
	if err == nil {
		err = g.checkService(r.PostForm.Get("service"))
	}
	if err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_scope", err.Error())
		return
	}
	address := auth.AddressOf(r)
	var s auth.Subject
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "password":
		s, err = g.login(r.Context(), auth.Credentials{Basic: true, Name: r.PostForm.Get("username"), Secret: r.PostForm.Get("password")}, address)
	case "refresh_token":
		s, err = g.auth.CheckToken(r.Context(), r.PostForm.Get("refresh_token"), address)
	default:
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "only password and refresh_token are possible; a refresh token is one that was made at the site")
		return
	}
	if err != nil {
		g.refusePost(w, r, err)
		return
	}
	g.grant(w, r, s, asked, true)
}

func (g *Gate) refusePost(w http.ResponseWriter, r *http.Request, err error) {
	var limited *auth.LimitedError
	switch {
	case errors.As(err, &limited):
		refuseLimited(w, limited)
	case errors.Is(err, registry.ErrDenied):
		oauthError(w, http.StatusBadRequest, "invalid_grant", err.Error())
	default:
		g.failed(r.Context(), err)
		oauthError(w, http.StatusInternalServerError, "server_error", unfit)
	}
}

// grant answers with a pass.
func (g *Gate) grant(w http.ResponseWriter, r *http.Request, s auth.Subject, asked []Scope, oauth bool) {
	now := time.Now().UTC().Truncate(time.Second)
	access := granted(s, asked)
	text, err := g.issue(s, access, now)
	if err != nil {
		g.refuseGet(w, r, err)
		return
	}
	a := answer{AccessToken: text, ExpiresIn: int(g.opts.Lifetime / time.Second), IssuedAt: now}
	if oauth {
		scopes := make([]string, len(access))
		for i, scope := range access {
			scopes[i] = scope.String()
		}
		a.Scope = strings.Join(scopes, " ")
	} else {
		a.Token = text
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a)
}
