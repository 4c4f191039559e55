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

func sessionKey(t target, scopes []string) string {
	return t.registry.Name() + " " + strings.Join(scopes, " ")
}

// client returns the session's client. A failed log-in is told to all that
// waited for it, so that a dead host is tried once and not once for each of
// them; it is not kept.
func (r *Registry) client(ctx context.Context, t target, scopes []string) (*http.Client, error) {
	for {
		s, mine := r.session(sessionKey(t, scopes))
		if mine {
			s.client, s.err = r.login(ctx, t, scopes)
			if s.err != nil {
				r.forget(t, scopes)
			}
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

// forget makes the next call log in anew, with the credentials of then.
func (r *Registry) forget(t target, scopes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, sessionKey(t, scopes))
}

func (r *Registry) login(ctx context.Context, t target, scopes []string) (*http.Client, error) {
	auth := authn.Anonymous
	if r.opts.Keychain != nil {
		var err error
		if auth, err = authn.Resolve(ctx, r.opts.Keychain, t.registry); err != nil {
			return nil, &loginError{fmt.Errorf("credentials: %w", err)}
		}
	}
	guarded := &guard{inner: roundTripper(r.patient), host: t.registry.RegistryStr(), scheme: r.scheme(t)}
	rt, err := transport.NewWithContext(ctx, t.registry, auth, transport.NewUserAgent(guarded, r.opts.UserAgent), scopes)
	if err != nil {
		return nil, &loginError{err}
	}
	return &http.Client{Transport: rt}, nil
}

// scheme is the only one that the target is spoken to in; empty when both may
// be tried.
func (r *Registry) scheme(t target) string {
	switch {
	case r.opts.PlainHTTP:
		return "http"
	case r.server == nil && isLoopback(t.registry.RegistryStr()):
		return ""
	}
	return "https"
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
