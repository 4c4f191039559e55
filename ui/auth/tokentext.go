package auth

import (
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// A token's text is lf_ID_SECRETSUM: 20 characters of its id, 43 of base64url for
// 256 random bits, and 8 hexadecimal digits of a CRC-32 over all before, so that
// programs which look for secrets that were published know one when they see it:
// lf_[a-z2-7]{20}_[A-Za-z0-9_-]{43}[0-9a-f]{8}
const (
	tokenPrefix = "lf_"
	idLength    = 20
	textLength  = len(tokenPrefix) + idLength + 1 + 43 + 8
)

// tokenText is the text of the token that has an id and a secret.
func tokenText(id, secret string) string {
	text := tokenPrefix + id + "_" + secret
	return text + sumOf(text)
}

func sumOf(text string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) }

// LooksLikeToken reports whether a text can only be meant as a token.
func LooksLikeToken(text string) bool {
	return strings.HasPrefix(text, tokenPrefix) && len(text) == textLength
}

// parseToken reads what tokenText writes, and nothing else.
func parseToken(text string) (id string, secret []byte, err error) {
	if !LooksLikeToken(text) {
		return "", nil, fmt.Errorf("%w: not a token", registry.ErrInvalid)
	}
	head, sum := text[:textLength-8], text[textLength-8:]
	id, coded, _ := strings.Cut(head[len(tokenPrefix):], "_")
	if len(id) != idLength || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" || sum != sumOf(head) {
		return "", nil, fmt.Errorf("%w: a token with an error in it; was it copied whole?", registry.ErrInvalid)
	}
	if secret, err = strictURL.DecodeString(coded); err != nil || strings.ContainsAny(coded, "\r\n") {
		return "", nil, fmt.Errorf("%w: a token with an error in it; was it copied whole?", registry.ErrInvalid)
	}
	return id, secret, nil
}
