package nodeconfig

import (
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// hostPattern is the host of an image name: a DNS name or IPv4 address with an
// optional port (distribution/reference, "domain").
var hostPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[0-9]+)?$`)

// site is Options after checking: every field can be written into a
// configuration file as it is.
type site struct {
	scheme    string // "http" or "https"
	host      string // with its port when the address has one
	upstreams []string
	ca        []byte
	hostPaths bool
	prefix    string // of repositories, with a slash at its end, or empty
	login     string
}

// nowhere is the host under which names are looked for whose own is not configured, where
// paths need one: nothing can have it.
const nowhere = "not-configured.invalid"

// path is what the repositories of an upstream begin with at the site; empty when the
// site finds them by ?ns=.
func (s site) path(upstream string) string {
	if !s.hostPaths {
		return ""
	}
	return s.prefix + repositoryPath(upstream)
}

// mode is that of a file that may hold the login.
func (s site) mode() fs.FileMode {
	if s.login != "" {
		return 0o600
	}
	return 0o644
}

func (s site) url() string    { return s.scheme + "://" + s.host }
func (s site) insecure() bool { return s.scheme == "http" }

// loopback reports whether the site's address cannot leave the machine;
// dockerd needs no insecure-registries entry for those.
func (s site) loopback() bool {
	host := s.host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func newSite(opts Options) (site, error) {
	s, err := parseRegistry(opts.Registry)
	if err != nil {
		return site{}, err
	}
	if s.upstreams, err = parseUpstreams(opts.Upstreams); err != nil {
		return site{}, err
	}
	s.ca, s.hostPaths, s.login = opts.CA, opts.HostPaths, opts.Login
	if s.prefix = strings.Trim(opts.Prefix, "/"); s.prefix != "" {
		if !s.hostPaths || !registry.ValidRepositoryPath(s.prefix) {
			return site{}, &FieldError{"prefix", opts.Prefix, "must be the path of a repository, for a registry that has original names as paths"}
		}
		s.prefix += "/"
	}
	if !loginPattern.MatchString(s.login) {
		return site{}, &FieldError{"login", "…", "must be base64"}
	}
	return s, checkCA(s)
}

var loginPattern = regexp.MustCompile(`^[A-Za-z0-9+/=_-]*$`)

func parseRegistry(address string) (site, error) {
	invalid := func(reason string) (site, error) {
		return site{}, &FieldError{"registry", address, reason}
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return invalid("not a URL; write it like https://site.example:5000")
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("must start with http:// or https://")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return invalid("must be scheme, host and port only, without a path")
	case u.User != nil:
		return invalid("must not hold credentials; they would be readable on every host")
	}
	host := strings.ToLower(u.Host)
	if u.Port() != "" && !validPort(u.Port()) {
		return invalid("port must be 1 to 65535")
	}
	ipv6 := strings.HasPrefix(host, "[") && net.ParseIP(u.Hostname()) != nil
	if !ipv6 && !hostPattern.MatchString(host) {
		return invalid("host must be a DNS name or an IP address, with an optional port")
	}
	return site{scheme: u.Scheme, host: host}, nil
}

// parseUpstreams sorts, drops repeats and folds Docker Hub's other names.
func parseUpstreams(names []string) ([]string, error) {
	if len(names) == 0 {
		return DefaultUpstreams(), nil
	}
	var hosts []string
	for _, name := range names {
		host := strings.ToLower(name)
		if _, port, ok := strings.Cut(host, ":"); ok && !validPort(port) || !hostPattern.MatchString(host) {
			return nil, &FieldError{"upstream", name, "must be the host of an image name, like quay.io or 10.0.0.5:5000"}
		}
		if host == "index.docker.io" || host == "registry-1.docker.io" {
			host = "docker.io"
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

func checkCA(s site) error {
	if len(s.ca) == 0 {
		return nil
	}
	if s.insecure() {
		return &FieldError{"ca", s.url(), "a certificate needs a registry that starts with https://"}
	}
	for rest, n := s.ca, 0; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if n == 0 {
				return &FieldError{"ca", s.url(), "holds no PEM certificate"}
			}
			return nil
		}
		if block.Type != "CERTIFICATE" {
			return &FieldError{"ca", s.url(), "holds a " + block.Type + "; only certificates may go to hosts"}
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return &FieldError{"ca", s.url(), err.Error()}
		}
	}
}

// repositoryPath is where the site serves an upstream's content: a repository
// path cannot hold a colon (registry.RepositoryPath).
func repositoryPath(upstream string) string { return strings.ReplaceAll(upstream, ":", "_") }
