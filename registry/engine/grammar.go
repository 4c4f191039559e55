package engine

import (
	"net/http"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// The three grammars below are those of package registry, byte by byte
// instead of by regular expression, since every read passes here. A fuzz test
// holds them equal.

func validName(s string) bool {
	if len(s) == 0 || len(s) > 255 {
		return false
	}
	last, before := byte('/'), byte('/')
	for i := 0; i < len(s); i++ {
		ok := false
		switch c := s[i]; {
		case isAlnum(c):
			ok = true
		case c == '/' || c == '.':
			ok = isAlnum(last)
		case c == '_':
			ok = isAlnum(last) || last == '_' && before != '_'
		case c == '-':
			ok = isAlnum(last) || last == '-'
		}
		if !ok {
			return false
		}
		last, before = s[i], last
	}
	return isAlnum(last)
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func validTag(s string) bool {
	if len(s) == 0 || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func parseDigest(s string) (digest.Digest, error) {
	algorithm, hex, _ := strings.Cut(s, ":")
	ok := algorithm == "sha256" && len(hex) == 64 || algorithm == "sha512" && len(hex) == 128
	for i := 0; ok && i < len(hex); i++ {
		c := hex[i]
		ok = '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
	}
	if !ok {
		return "", refuse(http.StatusBadRequest, errcode.ErrorCodeDigestInvalid, "invalid digest %q: want sha256 or sha512 in lower-case hexadecimal", s)
	}
	return digest.Digest(s), nil
}

// parseReference reads <tag or digest>; no tag contains a colon.
func (t *target) parseReference() (registry.Ref, error) {
	if strings.Contains(t.arg, ":") {
		d, err := parseDigest(t.arg)
		return registry.Ref{Digest: d}, err
	}
	if !validTag(t.arg) {
		return registry.Ref{}, refuse(http.StatusNotFound, errcode.ErrorCodeManifestUnknown, "%q is not a tag", t.arg)
	}
	return registry.Ref{Tag: t.arg}, nil
}
