package faultproxy

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tokens make the proxy its own token server, as the distribution
// specification's token authentication describes it: a request without a token
// is told realm, service and scope, and the realm gives one out. Every scope
// that is asked for is granted. Only GET of the realm is known.
type Tokens struct {
	Service  string        // "" is "faultproxy"
	Lifetime time.Duration // 0 is five minutes
}

// issued are the tokens that are valid.
type issued struct {
	mu   sync.Mutex // protects list
	list map[string]grant
}

type grant struct {
	scopes []string // repository:bench/app:pull
	until  time.Time
}

// ExpireTokens ends the life of all tokens issued so far.
func (p *Proxy) ExpireTokens() {
	p.issued.mu.Lock()
	defer p.issued.mu.Unlock()
	p.issued.list = nil
}

func (p *Proxy) guarded() bool { return p.options.Tokens != nil || p.options.Username != "" }

// admitted tells whether a request may go on, and answers it if not.
func (p *Proxy) admitted(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case !p.guarded():
		return true
	case p.options.Tokens != nil:
		return p.bears(w, r)
	}
	if p.knows(r) {
		return true
	}
	fail(w, http.StatusUnauthorized, "WWW-Authenticate", `Basic realm="faultproxy"`)
	return false
}

func (p *Proxy) knows(r *http.Request) bool {
	username, password, ok := r.BasicAuth()
	return p.options.Username == "" || ok && username == p.options.Username && password == p.options.Password
}

// bears tells whether a request has a token for what it is about.
func (p *Proxy) bears(w http.ResponseWriter, r *http.Request) bool {
	scope := scopeOf(r)
	challenge := fmt.Sprintf(`Bearer realm="%s://%s%s",service="%s"`, p.scheme(), r.Host, tokenPath, p.service())
	if scope != "" {
		challenge += fmt.Sprintf(`,scope="%s"`, scope)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		known, covered := p.issued.find(token, scope)
		if covered {
			return true
		}
		reason := "invalid_token"
		if known {
			reason = "insufficient_scope"
		}
		challenge += fmt.Sprintf(`,error="%s"`, reason)
	}
	fail(w, http.StatusUnauthorized, "WWW-Authenticate", challenge)
	return false
}

func (p *Proxy) service() string {
	if p.options.Tokens.Service == "" {
		return "faultproxy"
	}
	return p.options.Tokens.Service
}

// scopeOf is what a token has to cover; "" is for what any token does.
func scopeOf(r *http.Request) string {
	if r.URL.Path == "/v2/_catalog" {
		return "registry:catalog:*"
	}
	parts := resourcePath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return ""
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return "repository:" + parts[1] + ":pull"
	case http.MethodDelete:
		return "repository:" + parts[1] + ":delete"
	}
	return "repository:" + parts[1] + ":pull,push"
}

// find tells whether a token is valid at all, and for a scope.
func (i *issued) find(token, scope string) (known, covered bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.list[token]
	if !ok || time.Now().After(g.until) {
		return false, false
	}
	return true, scope == "" || slices.ContainsFunc(g.scopes, func(s string) bool { return covers(s, scope) })
}

// covers tells whether a granted scope is for the same thing as another, with
// all its actions.
func covers(granted, wanted string) bool {
	i, j := strings.LastIndex(granted, ":"), strings.LastIndex(wanted, ":")
	if i < 0 || granted[:i] != wanted[:j] {
		return false
	}
	actions := strings.Split(granted[i+1:], ",")
	for action := range strings.SplitSeq(wanted[j+1:], ",") {
		if !slices.Contains(actions, action) && !slices.Contains(actions, "*") {
			return false
		}
	}
	return true
}

// issue gives out a token for the scopes of a request; clients ask for several
// in one parameter, or in several.
func (p *Proxy) issue(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		fail(w, http.StatusMethodNotAllowed, "Allow", "GET")
		return
	}
	if !p.knows(r) {
		fail(w, http.StatusUnauthorized, "WWW-Authenticate", `Basic realm="faultproxy"`)
		return
	}
	lifetime := p.options.Tokens.Lifetime
	if lifetime == 0 {
		lifetime = 5 * time.Minute
	}
	now := time.Now()
	token := p.issued.add(grant{strings.Fields(strings.Join(r.URL.Query()["scope"], " ")), now.Add(lifetime)})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": token, "access_token": token,
		"expires_in": max(1, int(lifetime.Seconds())), "issued_at": now.UTC().Format(time.RFC3339),
	})
}

func (i *issued) add(g grant) string {
	token := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.list == nil {
		i.list = map[string]grant{}
	}
	i.list[token] = g
	return token
}
