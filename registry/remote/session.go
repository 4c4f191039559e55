package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// session is a client that is logged in to one registry for some scopes. It
// is made once, by the first caller that needs it; the others wait.
type session struct {
	ready  chan struct{} // closed when the fields below are set
	client *http.Client
	err    error
}

// sessionKey: where nobody asks for tokens, one session does for all scopes.
func sessionKey(c *call) string {
	e := c.endpoint
	key := e.name + " " + e.scheme + " " + e.registry.Name()
	if e.plain.Load() {
		return key
	}
	return key + " " + strings.Join(c.scopes(), " ")
}

// client returns the session's client. A failed log-in is told to all that
// waited for it, so that a dead host is tried once and not once for each of
// them; it is not kept.
func (r *Registry) client(ctx context.Context, c *call) (*http.Client, error) {
	for {
		key := sessionKey(c)
		s, mine := r.session(key)
		if mine {
			s.client, s.err = r.login(ctx, c)
			r.rename(s, key, sessionKey(c))
			close(s.ready)
			return s.client, s.err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// That the one who logged in was interrupted says nothing about the host.
		if !errors.Is(s.err, context.Canceled) && !errors.Is(s.err, context.DeadlineExceeded) {
			return s.client, s.err
		}
	}
}

// session reports whether the caller is the one who has to make it ready.
func (r *Registry) session(key string) (s *session, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s = r.sessions[key]; s == nil {
		s, mine = &session{ready: make(chan struct{})}, true
		r.sessions[key] = s
	}
	return s, mine
}

// rename gives a session the key that it has since its log-in, and none when
// that failed.
func (r *Registry) rename(s *session, from, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, from)
	if s.err == nil {
		r.sessions[to] = s
	}
}

// forget makes the next call log in anew, with the credentials of then.
func (r *Registry) forget(c *call) { r.forgetKey(sessionKey(c)) }

func (r *Registry) forgetKey(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, key)
}

func (r *Registry) login(ctx context.Context, c *call) (*http.Client, error) {
	e := c.endpoint
	auth, err := e.credentials(ctx)
	if err != nil {
		return nil, err
	}
	guarded := &guard{inner: roundTripper(e.patient), host: e.registry.RegistryStr(), scheme: e.scheme}
	agent := transport.NewUserAgent(&pinged{inner: guarded, endpoint: e}, r.opts.UserAgent)
	rt, err := transport.NewWithContext(ctx, e.registry, auth, agent, c.scopes())
	if err != nil {
		return nil, &loginError{err}
	}
	return &http.Client{Transport: rt}, nil
}

func (h *host) credentials(ctx context.Context) (authn.Authenticator, error) {
	if h.keychain == nil {
		return authn.Anonymous, nil
	}
	auth, err := authn.Resolve(ctx, h.keychain, h.endpoints[0].registry)
	if err != nil {
		return nil, &loginError{fmt.Errorf("credentials: %w", err)}
	}
	return auth, nil
}

// pinged notes what an endpoint answers to the first question of every session
// (OCI distribution-spec, "Determining Support"): without a challenge to get a
// token, all sessions are the same.
type pinged struct {
	inner    http.RoundTripper
	endpoint *endpoint
}

func (p *pinged) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.inner.RoundTrip(req)
	if err == nil && req.URL.Path == "/v2/" && req.URL.Host == p.endpoint.registry.RegistryStr() {
		challenge := strings.ToLower(strings.Join(resp.Header.Values("WWW-Authenticate"), " "))
		p.endpoint.plain.Store(!strings.Contains(challenge, "bearer"))
	}
	return resp, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

var errPlain = errors.New("refusing to speak http, which anyone can read and change, where https was asked for")

// guard keeps to the scheme that was asked for. go-containerregistry tries
// https first even with hosts that are known not to speak it, and falls back
// to http with every private address, taking the credentials along.
type guard struct {
	inner  http.RoundTripper
	host   string
	scheme string // for host; "" for either
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if g.scheme == "http" && req.URL.Host == g.host && req.URL.Scheme == "https" {
		req = req.Clone(req.Context())
		req.URL.Scheme = "http"
	}
	if g.scheme != "http" && req.URL.Scheme == "http" && (g.scheme == "https" || !isLoopback(req.URL.Host)) {
		return nil, errPlain
	}
	return g.inner.RoundTrip(req)
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
