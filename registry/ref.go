package registry

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"

	// Both hash families that references may use (OCI image-spec, "Digests").
	_ "crypto/sha256"
	_ "crypto/sha512"
)

// DefaultTag is meant when a reference has neither tag nor digest.
const DefaultTag = "latest"

const dockerHub = "docker.io"

var (
	// OCI distribution-spec, "Pulling manifests": <reference> as a tag.
	tagPattern = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	// One path component of <name>, same section.
	componentPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	// What Docker takes for the identifier of a local image.
	identifierPattern = regexp.MustCompile(`^[a-f0-9]{64}$`)
	hostPattern       = regexp.MustCompile(`^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(?::[0-9]+)?$`)
	// The first component of a repository path that was made from host:port.
	portPattern = regexp.MustCompile(`^(.*[^_])_([0-9]+)$`)
)

// maxRepository bounds a repository's full name, in bytes.
const maxRepository = 255

// Ref names content by its original full name. At least one of Tag and Digest
// is set; with both, the digest decides what is read and the tag is the name
// that it gets.
type Ref struct {
	Repository string // "docker.io/library/nginx", "10.0.0.5:5000/team/app"
	Tag        string
	Digest     digest.Digest
}

// ParseRef reads a reference as Docker does: "nginx" is
// docker.io/library/nginx:latest, "team/app@sha256:…" is in docker.io.
// ErrInvalid for anything outside the grammar of the OCI distribution-spec.
func ParseRef(s string) (Ref, error) {
	ref, err := split(s)
	if err == nil && identifierPattern.MatchString(s) {
		err = fmt.Errorf("%w: 64 hexadecimal digits alone are an identifier, not a name", ErrInvalid)
	}
	if err == nil {
		ref.Repository, err = NormalizeRepository(ref.Repository)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("reference %q: %w", s, err)
	}
	if ref.Tag == "" && ref.Digest == "" {
		ref.Tag = DefaultTag
	}
	return ref, nil
}

// ParseName reads what Ref.String writes: nothing is completed, so that names
// without a host, pushed to a site directly, keep their identity.
func ParseName(s string) (Ref, error) {
	ref, err := split(s)
	switch {
	case err != nil:
	case ref.Tag == "" && ref.Digest == "":
		err = fmt.Errorf("%w: neither tag nor digest", ErrInvalid)
	default:
		err = checkRepository(ref.Repository)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("name %q: %w", s, err)
	}
	return ref, nil
}

// split takes digest and tag off and checks them, not the repository.
func split(s string) (Ref, error) {
	ref := Ref{Repository: s}
	if name, d, ok := strings.Cut(s, "@"); ok {
		dgst, err := ParseDigest(d)
		if err != nil {
			return Ref{}, err
		}
		ref.Repository, ref.Digest = name, dgst
	}
	if i := strings.LastIndexByte(ref.Repository, ':'); i > strings.LastIndexByte(ref.Repository, '/') {
		ref.Repository, ref.Tag = ref.Repository[:i], ref.Repository[i+1:]
		if !ValidTag(ref.Tag) {
			return Ref{}, fmt.Errorf("%w: tag %q", ErrInvalid, ref.Tag)
		}
	}
	return ref, nil
}

// NormalizeRepository completes a repository name as Docker does and checks
// its grammar: "nginx" is "docker.io/library/nginx".
func NormalizeRepository(s string) (string, error) {
	host, path, ok := CutHost(s)
	if !ok {
		host = dockerHub
	}
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = dockerHub
	}
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return host + "/" + path, checkRepository(host + "/" + path)
}

// checkRepository accepts a path, or a host with a path.
func checkRepository(name string) error {
	if len(name) > maxRepository {
		return fmt.Errorf("%w: repository name longer than %d bytes", ErrInvalid, maxRepository)
	}
	path := name
	if host, rest, ok := CutHost(name); ok {
		if !hostPattern.MatchString(host) {
			return fmt.Errorf("%w: host %q", ErrInvalid, host)
		}
		path = rest
	}
	if !ValidRepositoryPath(path) {
		return fmt.Errorf("%w: repository %q (lower case letters, digits, and . _ - between them)", ErrInvalid, path)
	}
	return nil
}

// CutHost splits a repository's full name behind its host, as Docker does; a name
// without one is all path.
func CutHost(repository string) (host, path string, ok bool) {
	host, path, ok = strings.Cut(repository, "/")
	if !ok || !looksLikeHost(host) {
		return "", repository, false
	}
	return host, path, true
}

// looksLikeHost is Docker's rule for the first component of a reference.
func looksLikeHost(s string) bool {
	return strings.ContainsAny(s, ".:") || s == "localhost" || strings.ToLower(s) != s
}

// String is the canonical form, which ParseRef reads back to the same Ref.
func (r Ref) String() string {
	s := r.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Host is the registry's host, with its port when the name has one.
func (r Ref) Host() string {
	host, _, _ := strings.Cut(r.Repository, "/")
	return host
}

// ByDigest is the same repository with a digest instead of the tag.
func (r Ref) ByDigest(d digest.Digest) Ref { return Ref{Repository: r.Repository, Digest: d} }

// ValidTag reports whether s is a tag of the OCI distribution-spec.
func ValidTag(s string) bool { return tagPattern.MatchString(s) }

// ValidRepositoryPath reports whether s is a <name> of the OCI
// distribution-spec, at most 255 bytes.
func ValidRepositoryPath(s string) bool {
	if len(s) > maxRepository {
		return false
	}
	for c := range strings.SplitSeq(s, "/") {
		if !componentPattern.MatchString(c) {
			return false
		}
	}
	return true
}

// ParseDigest accepts the algorithms that content here may have: sha256 and
// sha512, in lower-case hexadecimal.
func ParseDigest(s string) (digest.Digest, error) {
	d, err := digest.Parse(s)
	if err != nil {
		return "", fmt.Errorf("%w: digest %q", ErrInvalid, s)
	}
	if a := d.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return "", fmt.Errorf("%w: digest %q: algorithm %s is not supported (sha256, sha512)", ErrInvalid, s, a)
	}
	return d, nil
}

// RepositoryPath is the path under which an original name is served, since
// the protocol allows neither a colon nor upper case: "10.0.0.5:5000/a" is
// "10.0.0.5_5000/a". A path is its own path.
func RepositoryPath(name string) string {
	host, path, ok := strings.Cut(name, "/")
	if !ok || !strings.ContainsFunc(host, func(c rune) bool { return c == ':' || 'A' <= c && c <= 'Z' }) {
		return name
	}
	return strings.ReplaceAll(strings.ToLower(host), ":", "_") + "/" + path
}

// RepositoryName is the original name that a path was most likely made from.
// It is certain for hosts with a dot; a store that was told the original name
// remembers it instead.
func RepositoryName(path string) string {
	host, rest, ok := strings.Cut(path, "/")
	if !ok {
		return path
	}
	if m := portPattern.FindStringSubmatch(host); m != nil && (strings.Contains(m[1], ".") || m[1] == "localhost") {
		host = m[1] + ":" + m[2]
	}
	return host + "/" + rest
}
