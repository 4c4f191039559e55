package auth

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// Credentials are what an Authorization header shows.
type Credentials struct {
	Basic  bool   // a name and a secret; else a secret alone
	Name   string // with Basic
	Secret string
}

// maxHeader is more than any of the site's own tokens needs, in bytes.
const maxHeader = 8 << 10

// ParseAuthorization reads the value of an Authorization header: Basic (RFC 7617)
// or Bearer (RFC 6750). ErrInvalid for everything else, which is not repeated in
// the error.
func ParseAuthorization(header string) (c Credentials, err error) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.Trim(rest, " ")
	switch {
	case len(header) > maxHeader || rest == "" || strings.ContainsAny(rest, " \t\r\n"):
		return c, fmt.Errorf("%w: the Authorization header", registry.ErrInvalid)
	case strings.EqualFold(scheme, "Bearer"):
		return Credentials{Secret: rest}, nil
	case !strings.EqualFold(scheme, "Basic"):
		return c, fmt.Errorf("%w: the Authorization header is neither Basic nor Bearer", registry.ErrInvalid)
	}
	pair, err := base64.StdEncoding.DecodeString(rest)
	name, secret, ok := strings.Cut(string(pair), ":")
	if err != nil || !ok || !utf8.Valid(pair) {
		return c, fmt.Errorf("%w: the Authorization header is not Basic with a name and a password", registry.ErrInvalid)
	}
	return Credentials{true, name, secret}, nil
}
