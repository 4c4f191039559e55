package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Params are the costs of a hash (RFC 9106, 3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// Default costs 19 MiB and two passes: what OWASP names as the least for
// argon2id, and what fits a machine whose appliance shall idle in 80 MiB.
var Default = Params{Memory: 19 << 10, Time: 2, Threads: 1}

// Bounds of what a stored hash may ask for: a row that was tampered with must not
// cost the machine.
const (
	maxMemory = 256 << 10
	maxTime   = 16
	minSalt   = 8
	minKey    = 16
	maxBytes  = 64
)

// errHash says that a stored hash is none.
var errHash = errors.New("not an argon2id hash")

// hash is a password's hash as it is kept.
type hash struct {
	Params
	salt, key []byte
}

var base64Strict = base64.RawStdEncoding.Strict()

// String is the PHC string: $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY.
func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", h.Memory, h.Time, h.Threads, base64Strict.EncodeToString(h.salt), base64Strict.EncodeToString(h.key))
}

// parse reads what String writes, and nothing else.
func parse(s string) (h hash, err error) {
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != "v=19" {
		return h, errHash
	}
	costs := strings.Split(fields[3], ",")
	if len(costs) != 3 {
		return h, errHash
	}
	memory, err1 := cost(costs[0], "m=", maxMemory)
	time, err2 := cost(costs[1], "t=", maxTime)
	threads, err3 := cost(costs[2], "p=", 8)
	if err := errors.Join(err1, err2, err3); err != nil {
		return h, err
	}
	h.Params = Params{memory, time, uint8(threads)} //nolint:gosec // at most 8
	if h.salt, err = base64Strict.DecodeString(fields[4]); err != nil || len(h.salt) < minSalt || len(h.salt) > maxBytes {
		return h, errHash
	}
	if h.key, err = base64Strict.DecodeString(fields[5]); err != nil || len(h.key) < minKey || len(h.key) > maxBytes {
		return h, errHash
	}
	if h.String() != s { // line breaks within base64
		return h, errHash
	}
	return h, nil
}

func cost(s, name string, most uint64) (uint32, error) {
	digits, ok := strings.CutPrefix(s, name)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n < 1 || n > most || strconv.FormatUint(n, 10) != digits {
		return 0, errHash
	}
	return uint32(n), nil
}
