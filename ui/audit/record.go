package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/landfall-dev/landfall/registry"
)

// Record is an entry as it is kept. As JSON it is a line of an export.
type Record struct {
	ID       int64           `json:"id"` // ascending from 1, without gaps
	At       time.Time       `json:"at"` // in milliseconds, by the site's clock, which may be set back
	Actor    Actor           `json:"actor"`
	Action   string          `json:"action"`
	Target   string          `json:"target"`
	Before   json.RawMessage `json:"before,omitempty"`
	After    json.RawMessage `json:"after,omitempty"`
	Outcome  string          `json:"outcome"`
	Request  string          `json:"request,omitempty"` // its id
	Previous string          `json:"previous"`          // hash of the record before, in hexadecimal
	Hash     string          `json:"hash"`              // of this one
}

// noHash is what the first record has for a previous one.
var noHash = strings.Repeat("0", 2*sha256.Size)

// Bounds of what one record holds, in bytes.
const (
	maxText  = 4 << 10
	maxValue = 64 << 10
)

// hashed names what is hashed, so that no other hash can be taken for one.
const hashed = "landfall audit 1"

// sum is the record's hash: SHA-256 over netstrings (the length in bytes in
// decimal, a colon, the bytes, a comma) of, in this order, "landfall audit 1", the
// previous hash in lower-case hexadecimal, the id and the time (milliseconds since
// 1970) in decimal, the actor's name, kind, address and via, action, target, before
// and after (their JSON, empty for nothing), outcome, and the request's id.
func (r *Record) sum() [sha256.Size]byte {
	b := make([]byte, 0, 512)
	for _, field := range []string{
		hashed, r.Previous, strconv.FormatInt(r.ID, 10), strconv.FormatInt(r.At.UnixMilli(), 10),
		r.Actor.Name, r.Actor.Kind, r.Actor.Address, r.Actor.Via, r.Action, r.Target,
		string(r.Before), string(r.After), r.Outcome, r.Request,
	} {
		b = strconv.AppendInt(b, int64(len(field)), 10)
		b = append(b, ':')
		b = append(b, field...)
		b = append(b, ',')
	}
	return sha256.Sum256(b)
}

// columns are a record in the table, in the order of scan.
const columns = `id, at, actor, kind, address, via, action, target, before, after, outcome, request, previous, hash`

// scan reads columns. A value of another type than Append writes is a
// *BrokenError: the database would have made it look the same.
func scan(rows interface{ Scan(...any) error }) (*Record, error) {
	names := strings.Split(columns, ", ")
	values := make([]any, len(names))
	to := make([]any, len(names))
	for i := range values {
		to[i] = &values[i]
	}
	if err := rows.Scan(to...); err != nil {
		return nil, err
	}
	r := &Record{}
	var at int64
	var before, after string
	for i, to := range []any{&r.ID, &at, &r.Actor.Name, &r.Actor.Kind, &r.Actor.Address, &r.Actor.Via, &r.Action, &r.Target,
		&before, &after, &r.Outcome, &r.Request, &r.Previous, &r.Hash} {
		if !take(to, values[i], names[i]) {
			return nil, &BrokenError{Entry: r.ID, Fault: fmt.Sprintf("its %s is of another type than was written", names[i])}
		}
	}
	r.At = time.UnixMilli(at).UTC()
	if before != "" {
		r.Before = json.RawMessage(before)
	}
	if after != "" {
		r.After = json.RawMessage(after)
	}
	return r, nil
}

// take reports whether a column has the type that it was written with.
func take(to, value any, name string) (ok bool) {
	switch to := to.(type) {
	case *int64:
		*to, ok = value.(int64)
	case *string:
		if name != "previous" && name != "hash" {
			*to, ok = value.(string)
			break
		}
		var hash []byte
		hash, ok = value.([]byte)
		*to = hex.EncodeToString(hash)
	}
	return ok
}

// encode writes JSON in the one form that exports have: compact, with < > & as
// they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// value is a Before or After as it is kept.
func value(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	content, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("%w: an entry that cannot be JSON: %w", registry.ErrInvalid, err)
	}
	content = bytes.ToValidUTF8(content, []byte("\uFFFD"))
	if len(content) > maxValue {
		content = fmt.Appendf(nil, `{"truncated":true,"sha256":"%x","bytes":%d}`, sha256.Sum256(content), len(content))
	}
	if string(content) == "null" {
		return nil, nil
	}
	return content, nil
}

// clip is a text as it is kept: as it came, but of valid characters, and cut when
// it is very long.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxText {
		return text
	}
	end := maxText - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
