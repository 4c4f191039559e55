package diagnostics

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// hidden is in place of what looks secret.
const hidden = "[hidden]"

// secretNames are what secrets are called, at the end of a name.
const secretNames = `(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credentials?|csrf|session(?:[_-]?id)?)`

// rule hides what a pattern finds in a line. Without one of the hints, in lower
// case, the pattern finds nothing, and need not be asked.
type rule struct {
	hints []string
	find  *regexp.Regexp
	put   string
}

var nameHints = []string{"passw", "pwd", "passphrase", "secret", "token", "key", "credential", "csrf", "session"}

// keyRules find private keys, which have several lines. The end of a key, or its
// beginning, may be cut off.
var keyRules = []*regexp.Regexp{
	regexp.MustCompile(`-----BEGIN [^-\n]*PRIVATE KEY[^-\n]*-----(?s:.*?)(?:-----END [^-\n]*PRIVATE KEY[^-\n]*-----|\z)`),
	regexp.MustCompile(`[A-Za-z0-9+/=\\\s]*-----END [^-\n]*PRIVATE KEY[^-\n]*-----`),
}

// rules find secrets by their form, and by what stands before them. They rather
// hide too much. One that hides to the end of the line goes before those that
// hide a part of it.
var rules = []rule{
	// Headers, whose values have quotes, commas and semicolons.
	{[]string{"authorization", "cookie", "x-"},
		regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookies?|x-[a-z0-9-]*(?:token|auth|key|secret)[a-z0-9-]*)(\\*["']?\s*[:=]).*`), "${1}${2} " + hidden},
	// password: several words; in quotes within quotes, nobody knows where it ends.
	{nameHints, regexp.MustCompile(`(?i)((?:password|passwd|passphrase)\s*:\s)[^"'\s].*`), "${1}" + hidden},
	{nameHints, regexp.MustCompile(`(?i)(` + secretNames + `\\*["']?\s*[:=]\s*)\\+["'].*`), "${1}" + hidden},
	{nameHints, regexp.MustCompile(`(?i)(` + secretNames + `\\*["']\s*,\s*\\*["']value\\*["']\s*:).*`), "${1}" + hidden},
	{nameHints, regexp.MustCompile(`(?i)(` + secretNames + `\\*["']?\s*[:=]\s*)(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|[\[{(].*|[^\s,;&"']+)`), "${1}" + hidden},
	{nameHints, regexp.MustCompile(`(?i)(\s--?(?:` + secretNames + `)\s+)\S+`), "${1}" + hidden},
	{[]string{"auth"}, regexp.MustCompile(`("auth\\*"\s*:\s*\\*")[^"\\\n]*`), "${1}" + hidden},
	// What is secret wherever it stands.
	{[]string{"bearer", "basic", "negotiate"}, regexp.MustCompile(`(?i)\b(bearer|basic|negotiate)(\s+)[A-Za-z0-9+/_.~=-]{8,}`), "${1}${2}" + hidden},
	{[]string{"lf"}, regexp.MustCompile(`\blf[a-z]{0,4}_[A-Za-z0-9_=-]{8,}`), hidden},
	{[]string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*`), hidden},
	{[]string{"$"}, regexp.MustCompile(`\$(?:argon2[a-z]*|2[abxy]|[156y]|scrypt|pbkdf2[a-z0-9-]*)\$[^\s"']+`), hidden},
	{[]string{"age-secret-key"}, regexp.MustCompile(`AGE-SECRET-KEY-[0-9A-Za-z-]+`), hidden},
	// The link of the first start, and a session's cookie without its header.
	{[]string{"/setup#", "landfall="}, regexp.MustCompile(`(/setup#|landfall=)[A-Za-z0-9_-]{16,}`), "${1}" + hidden},
	// http://user:password@host, and ?code= on the way back from signing in.
	{[]string{"@"}, regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]+@`), "${1}" + hidden + "@"},
	{[]string{"?", "&", "#"}, regexp.MustCompile(`([?&#](?:code|state|setup|key|sig|signature|x-amz-[a-z-]+)=)[^&\s"'#]+`), "${1}" + hidden},
}

// Redact hides what looks secret in a text. Lines that are JSON stay so.
func Redact(text string) string {
	var done, plain strings.Builder
	for line := range strings.Lines(text) {
		document, ok := redactDocument(line)
		if !ok {
			plain.WriteString(line)
			continue
		}
		done.WriteString(redactText(plain.String()))
		plain.Reset()
		done.WriteString(document)
	}
	done.WriteString(redactText(plain.String()))
	return done.String()
}

func redactText(text string) string {
	if strings.Contains(text, "PRIVATE KEY") {
		for _, key := range keyRules {
			text = key.ReplaceAllString(text, hidden)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		for _, r := range rules {
			if slices.ContainsFunc(r.hints, func(hint string) bool { return strings.Contains(lower, hint) }) {
				line = r.find.ReplaceAllString(line, r.put)
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

// redactDocument redacts a line that is a JSON object, in which escapes cannot
// hide anything.
func redactDocument(line string) (string, bool) {
	if !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) {
		return "", false
	}
	value, err := plainJSON(json.RawMessage(line))
	if err != nil {
		return "", false
	}
	redacted := redactValue(value)
	if reflect.DeepEqual(value, redacted) {
		return line, true // in its own order
	}
	content, err := marshal(redacted)
	return content, err == nil
}

func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.String(), err
}

// plainJSON is a value as JSON has it, with numbers as they are written.
func plainJSON(v any) (plain any, err error) {
	content, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	return plain, d.Decode(&plain)
}

var secretKey = regexp.MustCompile(`(?i)^(?:.*` + secretNames + `|.*authorization|.*cookies?|auth)$`)

// redactValue hides the values of keys that are called as secrets are, and what
// looks secret in all texts.
func redactValue(v any) any {
	switch v := v.(type) {
	case string:
		return redactText(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = redactValue(v[i])
		}
		return list
	case map[string]any:
		named := ""
		for _, key := range []string{"name", "key", "Name", "Key"} {
			if name, ok := v[key].(string); ok {
				named = name
			}
		}
		fields := map[string]any{}
		for key, value := range v {
			if secretKey.MatchString(key) || strings.EqualFold(key, "value") && secretKey.MatchString(named) {
				value = hide(value)
			}
			fields[redactText(key)] = redactValue(value)
		}
		return fields
	}
	return v
}

// hide leaves what cannot be a secret.
func hide(v any) any {
	switch v := v.(type) {
	case nil, bool:
		return v
	case string:
		if v == "" {
			return v
		}
	}
	return hidden
}
