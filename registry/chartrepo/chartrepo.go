// Package chartrepo reads a classic Helm chart repository, an index.yaml and
// chart archives over HTTP, as if it were an OCI registry: each version of a
// chart appears as the artifact that "helm push" makes of it, so that it can be
// copied like any other content and pulled with "helm pull oci://…" afterwards.
//
// It does not dial: a [Fetcher] does. It neither unpacks charts nor checks the
// signatures of their provenance files, it writes no index, and it never leaves
// the host that the operator configured, whatever the index says.
//
// Nouns. The base is the URL that the operator configured; the index is the
// file index.yaml below it. An entry is what the index says of one version of a
// chart: its metadata, the URLs of its archive, and mostly the archive's digest.
// The archive is the version's .tgz file, the provenance the signed statement
// that may lie beside it. The artifact is the manifest that is made of these,
// with the metadata as its config and the files as its layers.
package chartrepo

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

const (
	// maxIndex bounds an index, in bytes. Those of tens of thousands of versions fit.
	maxIndex = 64 << 20
	// maxArchive bounds a chart's archive, in bytes. Helm refuses to unpack much
	// smaller ones.
	maxArchive = 1 << 30
	// maxProvenance bounds a provenance, in bytes, since it is kept in memory.
	maxProvenance = 1 << 20
)

// Fetcher gets files over HTTP. Its errors wrap those of package registry: what
// is not there is ErrNotFound, who does not answer ErrUnreachable.
type Fetcher interface {
	// Fetch reads a file from offset on. size is that of the whole file, -1 when
	// the server does not say. The caller closes body.
	Fetch(ctx context.Context, url string, offset int64) (body io.ReadCloser, size int64, err error)
	// Size asks for the size with HEAD; -1 when it is not told.
	Size(ctx context.Context, url string) (int64, error)
}

// Repository is a chart repository as it was when its index was read: a Reader
// and Lister that is safe for concurrent use. A repository's name is the base
// without its scheme, and the chart's name; a tag is a version with "_" for "+".
type Repository struct {
	fetcher  Fetcher
	charts   map[string]*chart // by repository name
	problems []error
}

var (
	_ registry.Reader = (*Repository)(nil)
	_ registry.Lister = (*Repository)(nil)
	_ registry.Ranger = (*Repository)(nil)
)

// Open reads the index below base, an http or https URL: base + "/index.yaml",
// at most 64 MiB. Files are on the same host, or on one of hosts. ErrInvalid names the field of a base or an index that cannot
// be used at all; what is wrong with one chart or version alone is its own
// error, or one of Problems.
func Open(ctx context.Context, f Fetcher, base string, hosts ...string) (*Repository, error) {
	s, err := parseBase(base)
	s.hosts = hosts
	if err != nil {
		return nil, fmt.Errorf("chart repository %w", err)
	}
	at := s.dir.JoinPath("index.yaml").String()
	content, err := fetchAll(ctx, f, at, maxIndex)
	if err != nil {
		return nil, about(at, err)
	}
	listings, found, err := parseIndex(content)
	if err != nil {
		return nil, about(at, err)
	}
	r := &Repository{fetcher: f, charts: map[string]*chart{}}
	r.add(s, listings, found)
	for _, p := range found.all() {
		r.problems = append(r.problems, about(at, p))
	}
	return r, nil
}

// Problems are the entries that could be given no name, and so are not listed:
// those without a version, with a version that no tag can express, or of a chart
// whose name cannot be a repository's. Each wraps ErrInvalid; of very many, the
// last says how many there are besides.
func (r *Repository) Problems() []error { return slices.Clone(r.problems) }

// LayerDigest is the digest that the index states of a version's archive: who
// copied that archive before knows without a request that it has not changed.
// It is empty when the index states none, or does not know the version.
func (r *Repository) LayerDigest(repository, tag string) digest.Digest {
	if c := r.charts[repository]; c != nil && c.tags[tag] != nil {
		return c.tags[tag].stated
	}
	return ""
}

// site is what the operator configured, and all that may be reached.
type site struct {
	dir  *url.URL // the base with a slash at its end
	name string   // what the names of its repositories begin with
	// hosts are others that files may be on.
	hosts []string
}

func parseBase(base string) (site, error) {
	u, err := url.Parse(strings.TrimRight(base, "/") + "/")
	if err != nil {
		return site{}, fmt.Errorf("%w: the base is not a URL", registry.ErrInvalid) // which may hold a password
	}
	switch {
	case strings.Contains(base, "@"):
		return site{}, fmt.Errorf("%w: the base has credentials in it, or an @ for another reason", registry.ErrInvalid)
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return site{}, fmt.Errorf("%q: %w: the base has to begin with https:// or http:// and a host", base, registry.ErrInvalid)
	case strings.ContainsAny(base, "?#"):
		return site{}, fmt.Errorf("%s: %w: the base ends with its path, without a query or fragment", u, registry.ErrInvalid)
	}
	s := site{dir: u, name: strings.ToLower(strings.TrimSuffix(u.Host+u.EscapedPath(), "/"))}
	if !validRepository(s.name + "/chart") {
		return site{}, fmt.Errorf("%s: %w: %q cannot be the beginning of a repository's name", u, registry.ErrInvalid, s.name)
	}
	return s, nil
}

// locate is the URL that raw, which an entry states, stands for. It is on the
// site's host, and has the site's scheme: an index that still says http does not
// make anyone speak plain text to a host that was configured with https.
func (s site) locate(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return "", fmt.Errorf("%w: %.200q is not a URL", registry.ErrInvalid, raw)
	}
	u = s.dir.ResolveReference(u)
	switch {
	case u.Scheme == "oci":
		return "", fmt.Errorf("%w: %.200s is in an OCI registry; copy the chart from there", registry.ErrInvalid, raw)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%w: %.200q is neither http nor https", registry.ErrInvalid, raw)
	case u.User == nil && slices.Contains(s.hosts, u.Host) && (u.Scheme == "https" || s.dir.Scheme == "http"):
		u.Fragment = ""
		return u.String(), nil
	case !strings.EqualFold(u.Hostname(), s.dir.Hostname()) || s.port(u) != s.port(s.dir):
		return "", fmt.Errorf("%w: the chart's file is on another host, %.200s, and only %s is configured", registry.ErrInvalid, u.Host, s.dir.Host)
	case u.User != nil:
		return "", fmt.Errorf("%w: %.200s has credentials in it", registry.ErrInvalid, u.Redacted())
	}
	u.Scheme, u.Host, u.Fragment = s.dir.Scheme, s.dir.Host, ""
	return u.String(), nil
}

func (s site) port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case s.dir.Scheme == "http":
		return "80"
	}
	return "443"
}

// validRepository reports whether a full name keeps the grammar.
func validRepository(name string) bool {
	ref, err := registry.ParseName(name + ":tag")
	return err == nil && ref.Repository == name
}

// fetchAll reads a whole file of at most max bytes into memory.
func fetchAll(ctx context.Context, f Fetcher, url string, max int64) ([]byte, error) {
	body, size, err := f.Fetch(ctx, url, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size > max {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", registry.ErrInvalid, size, max)
	}
	content, err := io.ReadAll(io.LimitReader(body, max+1))
	if err == nil && int64(len(content)) > max {
		err = fmt.Errorf("%w: more than the %d bytes that are allowed", registry.ErrInvalid, max)
	}
	return content, err
}

// about puts what an error concerns before it, unless it says so already.
func about(what string, err error) error {
	if strings.Contains(err.Error(), what) {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
