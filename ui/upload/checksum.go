package upload

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the protocol requires it; it guards against accidents only
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// checksumNames are the algorithms of Upload-Checksum.
const checksumNames = "sha1,sha256"

// checksum is what the bytes of one request have to hash to.
type checksum struct {
	hash.Hash
	want []byte
}

// parseChecksum reads Upload-Checksum, as it is defined in the protocol's Checksum
// extension; nil when there is none.
func parseChecksum(header string) (*checksum, error) {
	if header == "" {
		return nil, nil
	}
	algorithm, encoded, _ := strings.Cut(header, " ")
	c := &checksum{}
	switch algorithm {
	case "sha1":
		c.Hash = sha1.New() //nolint:gosec // as above
	case "sha256":
		c.Hash = sha256.New()
	default:
		return nil, fmt.Errorf("%w: %s: algorithm %.20q: want one of %s", registry.ErrInvalid, headerChecksum, algorithm, checksumNames)
	}
	var err error
	if c.want, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil || len(c.want) != c.Size() {
		return nil, fmt.Errorf("%w: %s: want a Base64 checksum of %d bytes", registry.ErrInvalid, headerChecksum, c.Size())
	}
	return c, nil
}

func (c *checksum) matches() bool { return bytes.Equal(c.Sum(nil), c.want) }
