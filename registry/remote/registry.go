// Package remote is a registry over the network: it speaks the OCI
// distribution-spec with whatever answers under a host's name, or with the one
// server that it is told of.
//
// It is for moving content. It trusts nothing that it is sent: every byte is
// held against its digest, a transfer that is cut goes on where it stopped,
// and a registry that stalls is given up. It does not cache, does not choose
// mirrors by itself and dials nobody but the host that a name states or the
// endpoints that are set for it, their token servers, and where they redirect to.
//
// Nouns. A host is what the first element of a name says, with all that is set
// for it; it is reached at its endpoints. A target is a repository of a host. A
// call is one request about a target. A session is the authenticated connection
// to an endpoint for some scopes. An attempt without progress is a request that
// brought no byte further.
package remote

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/landfall-dev/landfall/registry"
)

// What a zero Options means.
const (
	defaultStall     = 30 * time.Second
	defaultRetries   = 5
	defaultUserAgent = "landfall"
)

// Options say how registries are spoken to. The zero value dials each name at
// its own host, over https, with Docker's credentials.
type Options struct {
	// Server is the one registry that all repositories are read from and
	// written to, under registry.RepositoryPath of their names:
	// "http(s)://host[:port]" or "unix:///path/to/landfall.sock". Empty: each
	// name is dialled at its own host.
	Server string
	// PlainHTTP speaks http to the hosts, not https. Without it, only loopback
	// addresses that do not answer https are spoken to over http.
	PlainHTTP bool
	// CAFile holds certificates (PEM) that are trusted besides the system's.
	CAFile string
	// CA holds such certificates itself.
	CA []byte
	// Stall is how long a request may bring no byte before it is broken off;
	// 30 s when 0. A transfer that moves may take as long as it needs.
	Stall time.Duration
	// Retries is how many attempts without progress are made; 5 when 0.
	Retries int
	// Keychain knows the credentials. When nil, they come from the Docker
	// configuration file and its credential helpers; a unix socket gets none.
	Keychain authn.Keychain
	// UserAgent is what requests say they come from; "landfall" when empty.
	UserAgent string
	// Hosts is what is special about some hosts, by their names in repositories,
	// "registry.example.com" or "10.0.0.5:5000"; also about Server, by its.
	Hosts map[string]Host
}

// Registry is one server, or all registries by the hosts in their
// repositories' names. It is safe for concurrent use.
type Registry struct {
	opts   Options
	server *host            // nil: each name is dialled at its own host
	hosts  map[string]*host // those with settings of their own
	others *http.Transport  // for all others
	// pause waits between two attempts; tests replace it so as not to wait.
	pause func(context.Context, time.Duration) error

	mu        sync.Mutex // protects the fields below
	dialled   map[string]*host
	sessions  map[string]*session
	referrers map[string]*sync.Mutex // by referrers tag: its index is read, changed and written
}

var (
	_ registry.Reader  = (*Registry)(nil)
	_ registry.Writer  = (*Registry)(nil)
	_ registry.Mounter = (*Registry)(nil)
	_ registry.Lister  = (*Registry)(nil)
	_ registry.Deleter = (*Registry)(nil)
)

// New checks the options; it dials nobody. ErrInvalid names the option that
// cannot be used.
func New(opts Options) (*Registry, error) {
	server, err := parseServer(opts.Server)
	if err != nil {
		return nil, err
	}
	opts.complete(server)
	roots, err := trusted(opts.CAFile, opts.CA)
	if err != nil {
		return nil, err
	}
	r := &Registry{
		opts:      opts,
		hosts:     map[string]*host{},
		others:    newTransport(nil, roots),
		pause:     sleep,
		dialled:   map[string]*host{},
		sessions:  map[string]*session{},
		referrers: map[string]*sync.Mutex{},
	}
	if server != nil {
		r.server, err = r.newServer(server, roots)
		return r, err
	}
	for name, h := range opts.Hosts {
		if r.hosts[name], err = r.newHost(name, h); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close gives idle connections back. The Registry stays usable.
func (r *Registry) Close() error {
	r.others.CloseIdleConnections()
	for _, h := range r.hosts {
		h.transport.CloseIdleConnections()
	}
	if r.server != nil {
		r.server.transport.CloseIdleConnections()
	}
	return nil
}

func (o *Options) complete(server *url.URL) {
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Retries <= 0 {
		o.Retries = defaultRetries
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.Keychain == nil && (server == nil || server.Scheme != "unix") {
		o.Keychain = authn.DefaultKeychain
	}
	if server != nil {
		o.PlainHTTP = server.Scheme != "https"
	}
}

func parseServer(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w: %v", s, registry.ErrInvalid, err)
	}
	network := (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.Trim(u.Path, "/") == ""
	socket := u.Scheme == "unix" && u.Host == "" && filepath.IsAbs(u.Path)
	if !network && !socket || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server %q: %w: want http://host:port, https://host:port or unix:///path/to/socket", s, registry.ErrInvalid)
	}
	return u, nil
}
