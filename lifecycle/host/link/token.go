// Package link is how a host gets to know its appliance and proves itself to it from
// then on: a short token that is given to the host once, an exchange that makes a
// certificate of it, and a client with that certificate. It carries operations and does
// none.
//
// Nouns. The authority is the site's own: it signs the appliance's certificate and those
// of hosts. A token names and authenticates one link, and carries a hash of the
// authority, so that the host trusts nobody else even in its first connection. The link's
// folder has the host's key and what the appliance has answered. A server is an address of
// the appliance; it may change, the authority may not.
package link

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base32"
	"fmt"
	"log/slog"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// The parts of a token: its id, by which the appliance finds it; its secret of 80 bits;
// and the first 80 bits of the SHA-256 of the authority's public key. With a token that
// is valid for minutes and counts attempts, 80 bits are out of reach for guessing, and
// for making another authority with the same hash.
const (
	idLength     = 6
	secretLength = 16
	hashLength   = 16
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token is what a host is given to be linked with.
type Token struct {
	ID     string
	secret string
	hash   string
}

// NewToken makes a token for hosts of an authority.
func NewToken(authority *x509.Certificate) Token {
	var random [14]byte
	_, _ = rand.Read(random[:]) // never fails
	text := letters.EncodeToString(random[:])
	return Token{ID: text[:idLength], secret: text[idLength : idLength+secretLength], hash: HashOf(authority)}
}

// HashOf is what tokens say of an authority: the first 80 bits of the SHA-256 of its
// public key. It is not secret.
func HashOf(authority *x509.Certificate) string {
	sum := sha256.Sum256(authority.RawSubjectPublicKeyInfo)
	return letters.EncodeToString(sum[:])[:hashLength]
}

// String is the token as people copy or type it. It is secret until it was used.
func (t Token) String() string { return t.ID + "." + t.secret + "." + t.hash }

// LogValue keeps the secret out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.ID) }

// Secret is what the appliance is shown: id and secret.
func (t Token) Secret() string { return t.ID + "." + t.secret }

// Fits reports whether an authority is the one that the token was made for.
func (t Token) Fits(authority *x509.Certificate) bool {
	return subtle.ConstantTimeCompare([]byte(t.hash), []byte(HashOf(authority))) == 1
}

// ParseToken reads a token, whatever its case, with blanks and dashes where people put
// them. ErrInvalid says what is wrong, and never repeats the secret.
func ParseToken(text string) (t Token, err error) {
	text = strings.NewReplacer(" ", "", "-", "", "\t", "", "\r", "", "\n", "").Replace(strings.ToLower(text))
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return t, fmt.Errorf("token: %w: it has %d parts with dots between them, want 3", registry.ErrInvalid, len(parts))
	}
	for i, want := range []int{idLength, secretLength, hashLength} {
		if len(parts[i]) != want {
			return t, fmt.Errorf("token: %w: its part %d has %d characters, want %d", registry.ErrInvalid, i+1, len(parts[i]), want)
		}
		if bad := strings.IndexFunc(parts[i], func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') }); bad >= 0 {
			return t, fmt.Errorf("token: %w: character %d of its part %d is none of a to z and 2 to 7", registry.ErrInvalid, bad+1, i+1)
		}
	}
	return Token{ID: parts[0], secret: parts[1], hash: parts[2]}, nil
}

// ParseSecret reads what a host shows: ID.SECRET.
func ParseSecret(text string) (id, secret string, err error) {
	id, secret, ok := strings.Cut(text, ".")
	if !ok || len(id) != idLength || len(secret) != secretLength {
		return "", "", fmt.Errorf("token: %w: want its id and its secret", registry.ErrInvalid)
	}
	return id, secret, nil
}
