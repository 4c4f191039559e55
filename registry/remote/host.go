package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/landfall-dev/landfall/registry"
)

// Host is what is special about one host. The zero value is nothing: what
// Options say of all.
type Host struct {
	// Endpoints are where the host is reached, "https://cache.example.com" or, for
	// a project that stands for it, "https://harbor.example.com/hub-proxy": the
	// first that works. Writes go to the first only. Empty: the host itself.
	Endpoints []string
	// PlainHTTP speaks http to the host itself.
	PlainHTTP bool
	// CAFile holds certificates (PEM) that are trusted besides the system's.
	CAFile string
	// CertFile and KeyFile are a certificate that this side shows, and its key (PEM).
	CertFile, KeyFile string
	// Credentials are how to log in; the zero value: as Options say.
	Credentials Credentials
	// Requests bounds how many requests are begun in a second, on average; 0: any.
	Requests float64
	// Bytes bounds how many bytes of bodies move in a second, on average; 0: any.
	Bytes int64
	// Stall is how long a request may bring no byte; 0: as Options say.
	Stall time.Duration
}

// host is a Host in use.
type host struct {
	registry  *Registry
	name      string // as the operator named it, for messages
	keychain  authn.Keychain
	transport *http.Transport
	endpoints []*endpoint // never empty
	limits    limits
	stall     time.Duration
}

// endpoint is one place at which a host is reached.
type endpoint struct {
	*host
	registry name.Registry
	prefix   string // of repositories there, with a slash at its end, or empty
	scheme   string // the only one that is spoken; "" for either
	failed   atomic.Int64
	plain    atomic.Bool // it asks for no token: one session serves all scopes
	// unlisted: it has no referrers API.
	unlisted atomic.Bool
}

// newServer is the host that Options.Server means.
func (r *Registry) newServer(server *url.URL, roots *x509.CertPool) (*host, error) {
	h := &host{registry: r, name: server.Host, keychain: r.opts.Keychain, transport: newTransport(server, roots), stall: r.opts.Stall}
	dialled := server.Host
	if server.Scheme == "unix" {
		h.name, dialled = r.opts.Server, socketHost
	} else if special, ok := r.opts.Hosts[server.Host]; ok {
		special.Endpoints = nil
		special.CAFile = cmp.Or(special.CAFile, r.opts.CAFile)
		if err := h.specialize(special); err != nil {
			return nil, err
		}
	}
	scheme := "https"
	if server.Scheme != "https" {
		scheme = "http"
	}
	return h, h.addEndpoint(dialled, "", scheme)
}

// newHost is a host with settings of its own.
func (r *Registry) newHost(name string, special Host) (*host, error) {
	h := &host{registry: r, name: name, keychain: r.opts.Keychain, stall: r.opts.Stall}
	special.CAFile = cmp.Or(special.CAFile, r.opts.CAFile)
	if err := h.specialize(special); err != nil {
		return nil, err
	}
	for _, text := range special.Endpoints {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("endpoint %q of %s: %w: want http(s)://host[:port][/prefix]", text, name, registry.ErrInvalid)
		}
		if err := h.addEndpoint(u.Host, strings.Trim(u.Path, "/"), u.Scheme); err != nil {
			return nil, err
		}
	}
	if len(h.endpoints) > 0 {
		return h, nil
	}
	return h, h.addEndpoint(name, "", h.ownScheme(name, special.PlainHTTP))
}

// ownScheme is the one that is spoken to a host without endpoints.
func (h *host) ownScheme(name string, plain bool) string {
	switch {
	case plain || h.registry.opts.PlainHTTP:
		return "http"
	case isLoopback(name):
		return ""
	}
	return "https"
}

// specialize applies settings, but for the endpoints.
func (h *host) specialize(special Host) error {
	roots, err := trusted(special.CAFile, h.registry.opts.CA)
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	h.transport = newTransport(nil, roots)
	if special.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(special.CertFile, special.KeyFile)
		if err != nil {
			return fmt.Errorf("%s: client certificate %s with key %s: %w: %v", h.name, special.CertFile, special.KeyFile, registry.ErrInvalid, err)
		}
		h.transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if special.Credentials != (Credentials{}) {
		h.keychain = special.Credentials
	}
	if special.Stall > 0 {
		h.stall = special.Stall
	}
	h.limits = newLimits(special.Requests, special.Bytes)
	return nil
}

func (h *host) addEndpoint(address, prefix, scheme string) error {
	reg, err := name.NewRegistry(address)
	if err != nil {
		return fmt.Errorf("%s: %w: %v", h.name, registry.ErrInvalid, err)
	}
	if prefix != "" {
		if !registry.ValidRepositoryPath(prefix) {
			return fmt.Errorf("endpoint of %s: %w: %q is not a repository's path", h.name, registry.ErrInvalid, prefix)
		}
		prefix += "/"
	}
	h.endpoints = append(h.endpoints, &endpoint{host: h, registry: reg, prefix: prefix, scheme: scheme})
	return nil
}

// hostOf finds the host of a name, with its settings or as Options say.
func (r *Registry) hostOf(name string) (*host, error) {
	if h := r.hosts[name]; h != nil {
		return h, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.dialled[name]; h != nil {
		return h, nil
	}
	h := &host{registry: r, name: name, keychain: r.opts.Keychain, transport: r.others, stall: r.opts.Stall}
	if err := h.addEndpoint(name, "", h.ownScheme(name, false)); err != nil {
		return nil, err
	}
	r.dialled[name] = h
	return h, nil
}

// shunned is for how long an endpoint that failed is tried after the others.
const shunned = 30 * time.Second

func (e *endpoint) fail() { e.failed.Store(time.Now().UnixNano()) }

func (e *endpoint) shunned() bool { return time.Since(time.Unix(0, e.failed.Load())) < shunned }

// order is the endpoints in the order in which they are tried.
func (h *host) order() []*endpoint {
	if len(h.endpoints) == 1 {
		return h.endpoints
	}
	list := slices.Clone(h.endpoints)
	slices.SortStableFunc(list, func(a, b *endpoint) int {
		switch {
		case a.shunned() == b.shunned():
			return 0
		case a.shunned():
			return 1
		}
		return -1
	})
	return list
}

// target is a repository of a host.
type target struct {
	host *host
	path string
}

// socketHost stands in requests for a server that has a socket and no name.
const socketHost = "localhost"

// target finds who is asked about a repository. ErrInvalid for names outside
// the grammar, and for names without a host when there is no Server.
func (r *Registry) target(repository string) (target, error) {
	t := target{host: r.server, path: registry.RepositoryPath(repository)}
	if r.server == nil {
		name, path, ok := registry.CutHost(repository)
		if !ok {
			return target{}, fmt.Errorf("%s: %w: the name has no host to dial, and no server is set", repository, registry.ErrInvalid)
		}
		var err error
		if t.host, err = r.hostOf(name); err != nil {
			return target{}, err
		}
		t.path = path
	}
	if !registry.ValidRepositoryPath(t.path) {
		return target{}, fmt.Errorf("%s: %w: %q is not a repository name (lower case letters, digits, and . _ - between them)", repository, registry.ErrInvalid, t.path)
	}
	return t, nil
}
