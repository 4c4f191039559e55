// Package remote is a registry over the network: it speaks the OCI
// distribution-spec with whatever answers under a host's name, or with the one
// server that it is told of.
//
// It is for moving content. It trusts nothing that it is sent: every byte is
// held against its digest, a transfer that is cut goes on where it stopped,
// and a registry that stalls is given up. It does not cache, does not choose
// mirrors and dials nobody but the host that a name states, that host's token
// server, and where that host redirects to.
//
// Nouns. A target is a repository as one registry knows it. A call is one
// request about a target. A session is the authenticated connection to a
// registry for some scopes. An attempt without progress is a request that
// brought no byte further.
package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/landfall-dev/landfall/registry"
)

// What a zero Options means.
const (
	defaultStall     = 30 * time.Second
	defaultRetries   = 5
	defaultUserAgent = "landfall"
)

// parallelTransfers is how many idle connections to one host are kept: as many
// as transfers may run at once, so that none has to shake hands again.
const parallelTransfers = 16

// bufferSize of a connection, in bytes: Go's 4 KiB cost a system call for
// every page of a layer.
const bufferSize = 64 << 10

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
}

// Registry is one server, or all registries by the hosts in their
// repositories' names. It is safe for concurrent use.
type Registry struct {
	opts      Options
	server    *url.URL // nil: each name is dialled at its own host
	transport *http.Transport
	// pause waits between two attempts; tests replace it so as not to wait.
	pause func(context.Context, time.Duration) error

	mu        sync.Mutex // protects the fields below
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
	roots, err := trusted(opts.CAFile)
	if err != nil {
		return nil, err
	}
	return &Registry{
		opts:      opts,
		server:    server,
		transport: newTransport(server, roots),
		pause:     sleep,
		sessions:  map[string]*session{},
		referrers: map[string]*sync.Mutex{},
	}, nil
}

// Close gives idle connections back. The Registry stays usable.
func (r *Registry) Close() error {
	r.transport.CloseIdleConnections()
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

// trusted are the system's certificates and those of a file.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w: %v", registry.ErrInvalid, err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s: %w: it holds no certificate in PEM form", file, registry.ErrInvalid)
	}
	return pool, nil
}

// newTransport speaks HTTP/1.1 only: under TLS, HTTP/2 costs several times the
// CPU for large bodies and squeezes all transfers through one connection.
func newTransport(server *url.URL, roots *x509.CertPool) *http.Transport {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: parallelTransfers,
		IdleConnTimeout:     90 * time.Second,
		ReadBufferSize:      bufferSize,
		WriteBufferSize:     bufferSize,
		// Layers are compressed already, and a decompressed one has another digest.
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if server != nil && server.Scheme == "unix" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", server.Path)
		}
	}
	return t
}

// target is a repository as one registry knows it.
type target struct {
	registry name.Registry
	host     string // as the operator named it, for messages
	path     string
}

// socketHost stands in requests for a server that has a socket and no name.
const socketHost = "localhost"

// target finds who is asked about a repository. ErrInvalid for names outside
// the grammar, and for names without a host when there is no Server.
func (r *Registry) target(repository string) (target, error) {
	t := target{path: registry.RepositoryPath(repository)}
	host := r.serverHost()
	if r.server == nil {
		var ok bool
		if host, t.path, ok = strings.Cut(repository, "/"); !ok || !isHost(host) {
			return target{}, fmt.Errorf("%s: %w: the name has no host to dial, and no server is set", repository, registry.ErrInvalid)
		}
		t.host = host
	}
	if !registry.ValidRepositoryPath(t.path) {
		return target{}, fmt.Errorf("%s: %w: %q is not a repository name (lower case letters, digits, and . _ - between them)", repository, registry.ErrInvalid, t.path)
	}
	return r.dialled(t, host)
}

// dialled completes a target with the registry that is spoken to.
func (r *Registry) dialled(t target, host string) (target, error) {
	if t.host == "" {
		t.host = host
		if r.server.Scheme == "unix" {
			t.host = r.opts.Server
		}
	}
	var err error
	if t.registry, err = name.NewRegistry(host); err != nil {
		return target{}, fmt.Errorf("%s: %w: %v", t.host, registry.ErrInvalid, err)
	}
	return t, nil
}

func (r *Registry) serverHost() string {
	switch {
	case r.server == nil:
		return ""
	case r.server.Scheme == "unix":
		return socketHost
	}
	return r.server.Host
}

// isHost is Docker's rule for the first component of a name.
func isHost(s string) bool {
	return strings.ContainsAny(s, ".:") || s == "localhost" || strings.ToLower(s) != s
}
