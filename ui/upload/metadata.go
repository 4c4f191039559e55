package upload

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// What a client may send, in bytes, pairs and characters.
const (
	maxMetadata    = 8 << 10
	maxPairs       = 64
	maxName        = 200
	maxFingerprint = 128
)

// metadata is what a client says of its upload.
type metadata struct {
	raw         string
	name        string
	kind        Kind
	wanted      digest.Digest
	fingerprint string
	part        *Part
}

// parsePairs reads Upload-Metadata as it is defined in the protocol's Creation
// extension.
func parsePairs(header string) (map[string]string, error) {
	if len(header) > maxMetadata {
		return nil, fmt.Errorf("%w: Upload-Metadata of more than %d bytes", registry.ErrInvalid, maxMetadata)
	}
	pairs := map[string]string{}
	if strings.TrimSpace(header) == "" {
		return pairs, nil
	}
	for n, text := range strings.Split(header, ",") {
		key, encoded, _ := strings.Cut(strings.Trim(text, " "), " ")
		if key == "" || n == maxPairs || !printable(key) {
			return nil, fmt.Errorf("%w: Upload-Metadata: pair %d has no proper key", registry.ErrInvalid, n+1)
		}
		if _, twice := pairs[key]; twice {
			return nil, fmt.Errorf("%w: Upload-Metadata: key %s is there twice", registry.ErrInvalid, key)
		}
		value, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("%w: Upload-Metadata: the value of %s is not Base64", registry.ErrInvalid, key)
		}
		pairs[key] = string(value)
	}
	return pairs, nil
}

// printable reports whether a text is of visible ASCII characters.
func printable(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

// parseMetadata reads what the keys mean that the package comment lists.
func parseMetadata(header string) (m metadata, err error) {
	pairs, err := parsePairs(header)
	if err != nil {
		return m, err
	}
	m.raw = header
	m.name = DisplayName(pairs["filename"])
	if pairs["filename"] == "" {
		m.name = DisplayName(pairs["name"])
	}
	m.kind = Kind(pairs["kind"])
	if !m.kind.known() && m.kind != "" {
		return m, fmt.Errorf("%w: metadata kind %.40q: want one of %s", registry.ErrInvalid, m.kind, kindNames())
	}
	if m.fingerprint = pairs["fingerprint"]; len(m.fingerprint) > maxFingerprint || !printable(m.fingerprint) {
		return m, fmt.Errorf("%w: metadata fingerprint: want up to %d visible ASCII characters", registry.ErrInvalid, maxFingerprint)
	}
	if text, ok := pairs["sha256"]; ok {
		if b, err := hex.DecodeString(text); err != nil || len(b) != 32 || strings.ToLower(text) != text {
			return m, fmt.Errorf("%w: metadata sha256: want 64 lower-case hexadecimal digits", registry.ErrInvalid)
		}
		m.wanted = digest.NewDigestFromEncoded(digest.SHA256, text)
	}
	m.part, err = parsePart(pairs)
	return m, err
}

// parsePart reads where a part belongs; nil when it is of no group.
func parsePart(pairs map[string]string) (*Part, error) {
	p := &Part{Group: pairs["group"]}
	if p.Group == "" {
		return nil, nil
	}
	if len(p.Group) > maxFingerprint || !printable(p.Group) {
		return nil, fmt.Errorf("%w: metadata group: want up to %d visible ASCII characters", registry.ErrInvalid, maxFingerprint)
	}
	var err error
	if p.Offset, err = parseSize("metadata offset", pairs["offset"]); err != nil {
		return nil, err
	}
	p.Total, err = parseSize("metadata total", pairs["total"])
	return p, err
}

// parseSize reads a non-negative decimal number; name is what it is of.
func parseSize(name, text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || strings.TrimLeft(text, "0123456789") != "" {
		return 0, fmt.Errorf("%w: %s %.40q: want a number of bytes", registry.ErrInvalid, name, text)
	}
	return int64(n), nil
}

// DisplayName is a file's name as it can be shown anywhere: without folders, control
// characters, escape sequences, and characters that turn the direction of writing or
// show nothing. It is never empty, and never used as a path.
func DisplayName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	var b strings.Builder
	for _, c := range name {
		if c == utf8.RuneError || !unicode.IsPrint(c) { // formatting and bidi characters are not
			c = '_'
		}
		if b.Len()+utf8.RuneLen(c) > maxName {
			break
		}
		b.WriteRune(c)
	}
	name = strings.TrimSpace(b.String())
	if strings.Trim(name, "._/ ") == "" {
		return "upload"
	}
	return name
}
