package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
)

// Login sends a browser to the provider. The query's to is a path of this site for
// after it.
func (p *Provider) Login(w http.ResponseWriter, r *http.Request) {
	found, err := p.provider(r.Context())
	if err != nil {
		p.opts.Refuse(w, r, err)
		return
	}
	begun := pending{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), To: localPath(r.URL.Query().Get("to")), Expires: time.Now().Add(pendingFor)}
	http.SetCookie(w, cookie(r, p.seal.close(begun)))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, p.config(r, found).AuthCodeURL(begun.State, oidc.Nonce(begun.Nonce), oauth2.S256ChallengeOption(begun.Verifier)), http.StatusSeeOther)
}

// Callback is where the provider sends the browser back to. It begins a session.
func (p *Provider) Callback(w http.ResponseWriter, r *http.Request) {
	r = auth.WithClient(r)
	http.SetCookie(w, cookie(r, ""))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address has a code in it
	begun, err := p.begun(r)
	if err != nil {
		p.opts.Refuse(w, r, err)
		return
	}
	identity, err := p.ask(r, begun)
	if err != nil {
		p.opts.Refuse(w, r, err)
		return
	}
	session, err := p.letIn(r.Context(), identity)
	if err != nil {
		p.opts.Refuse(w, r, err)
		return
	}
	http.SetCookie(w, session)
	http.Redirect(w, r, begun.To, http.StatusSeeOther)
}

// begun is the login that this browser began, if the provider answers it.
func (p *Provider) begun(r *http.Request) (pending, error) {
	k, err := r.Cookie(nameOfCookie(r))
	if err != nil {
		return pending{}, errStale
	}
	begun, ok := p.seal.open(k.Value)
	query := r.URL.Query()
	if !ok || subtle.ConstantTimeCompare([]byte(begun.State), []byte(query.Get("state"))) != 1 {
		return pending{}, errStale
	}
	if query.Get("error") != "" {
		return pending{}, fmt.Errorf("%w: the identity provider says %q", registry.ErrDenied, printable(query.Get("error")))
	}
	return begun, nil
}

// printable is what a provider's error code may be (RFC 6749, 4.1.2.1), shortened.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 60)]
}

// ask has the provider say who came with the code.
func (p *Provider) ask(r *http.Request, begun pending) (auth.Identity, error) {
	found, err := p.provider(r.Context())
	if err != nil {
		return auth.Identity{}, err
	}
	ctx := oidc.ClientContext(r.Context(), p.client)
	tokens, err := p.config(r, found).Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return auth.Identity{}, p.refused(ctx, "the code", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := found.Verifier(&oidc.Config{ClientID: p.opts.ClientID}).Verify(ctx, raw)
	if err != nil {
		return auth.Identity{}, p.refused(ctx, "the id token", err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(begun.Nonce)) != 1 {
		return auth.Identity{}, p.refused(ctx, "the id token", errors.New("its nonce is another's"))
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(tokens.AccessToken); err != nil {
			return auth.Identity{}, p.refused(ctx, "the access token", err)
		}
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return auth.Identity{}, p.refused(ctx, "the id token", err)
	}
	if party, ok := claims["azp"].(string); ok && party != p.opts.ClientID || !ok && len(token.Audience) > 1 {
		return auth.Identity{}, p.refused(ctx, "the id token", errors.New("it was made for another party"))
	}
	if err := p.complete(ctx, found, token.Subject, tokens, claims); err != nil {
		return auth.Identity{}, err
	}
	return p.identity(token.Subject, claims), nil
}

// complete adds what the provider tells of the user elsewhere only (OpenID Connect
// Core 1.0, 5.3).
func (p *Provider) complete(ctx context.Context, found *oidc.Provider, subject string, tokens *oauth2.Token, claims map[string]any) error {
	if claims[p.opts.NameClaim] != nil && claims[p.opts.GroupsClaim] != nil || found.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return p.refused(ctx, "the user's claims", err)
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return p.refused(ctx, "the user's claims", err)
	}
	if info.Subject != subject {
		return p.refused(ctx, "the user's claims", errors.New("they are another user's"))
	}
	for name, value := range more {
		if claims[name] == nil {
			claims[name] = value
		}
	}
	return nil
}

// refused logs what went wrong and is what the browser is told. What the provider
// has sent is not repeated to it.
func (p *Provider) refused(ctx context.Context, what string, err error) error {
	answer := errAnswer
	if status := (*oauth2.RetrieveError)(nil); errors.As(err, &status) {
		err = fmt.Errorf("status %d, %q", status.Response.StatusCode, printable(status.ErrorCode))
	} else if network := net.Error(nil); errors.As(err, &network) {
		answer = errAway
	}
	p.log.WarnContext(ctx, "a login by OpenID Connect failed", "issuer", p.opts.Issuer, "over", what, "error", err)
	return answer
}

// letIn begins a session for an identity.
func (p *Provider) letIn(ctx context.Context, i auth.Identity) (*http.Cookie, error) {
	var user auth.User
	err := errNoRole
	if i.Role != auth.NoRole {
		user, err = p.auth.Federated(ctx, i)
	}
	if err != nil {
		return nil, errors.Join(err, p.auth.FailedFederated(ctx, i, err))
	}
	session, _, err := p.auth.StartSession(ctx, user, auth.ViaOIDC)
	return session, err
}
