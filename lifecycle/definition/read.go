package definition

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// reader reads what writer writes, into the types that it was made of. It is no
// reader of YAML: whatever else it lets through, the comparison with what writer
// makes of it finds.
type reader struct {
	name   string
	rest   []byte
	line   int    // of what is at hand, from 1
	indent int    // of what is at hand, in characters
	text   []byte // what is at hand, without indentation; nil: the end
	fields map[reflect.Type]map[string]field

	path string // of the field that is looked for; empty: none is
	at   int    // its line, or that of the nearest around it
}

func newReader(name string, content []byte) *reader {
	r := &reader{name: name, rest: content, fields: map[reflect.Type]map[string]field{}}
	r.next()
	return r
}

// errorf is an error of the line at hand.
func (r *reader) errorf(format string, args ...any) error {
	return lineError(r.name, r.line, format, args...)
}

func lineError(name string, line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w: %s", name, line, registry.ErrInvalid, fmt.Sprintf(format, args...))
}

// next takes the next line.
func (r *reader) next() {
	r.line++
	if len(r.rest) == 0 {
		r.text, r.indent = nil, -1
		return
	}
	line, rest, _ := bytes.Cut(r.rest, []byte("\n"))
	r.text = bytes.TrimLeft(line, " ")
	r.indent, r.rest = len(line)-len(r.text), rest
	if r.text == nil {
		r.text = []byte{}
	}
}

// document reads all of it.
func (r *reader) document(dst any) error {
	if err := r.node(reflect.ValueOf(dst).Elem(), 0, ""); err != nil {
		return err
	}
	if r.text != nil {
		return r.errorf("unexpected %.40q: it was edited: build it again", r.text)
	}
	return nil
}

// node reads what begins at hand, indented by exactly indent.
func (r *reader) node(dst reflect.Value, indent int, path string) error {
	r.visit(path)
	if r.indent != indent {
		return r.errorf("indented by %d, want %d: it was edited: build it again", max(r.indent, 0), indent)
	}
	if indent > 2*maxDepth {
		return r.errorf("nested deeper than %d", maxDepth)
	}
	if bytes.HasPrefix(r.text, []byte("- ")) {
		return r.list(dst, indent, path)
	}
	if _, _, ok := cutKey(r.text); ok {
		return r.mapping(dst, indent, path)
	}
	err := r.scalar(dst, r.text)
	r.next()
	return err
}

// visit notes where the field is that is looked for.
func (r *reader) visit(path string) {
	if rest, ok := strings.CutPrefix(r.path, path); r.path != "" && ok && (rest == "" || path == "" || rest[0] == '.' || rest[0] == '[') {
		r.at = r.line
	}
}

// below is the path of an entry, when one is looked for.
func (r *reader) below(path, format string, entry any) string {
	if r.path == "" {
		return ""
	}
	return strings.TrimPrefix(path+fmt.Sprintf(format, entry), ".")
}

func (r *reader) list(dst reflect.Value, indent int, path string) error {
	slice := dst
	if dst.Kind() == reflect.Interface {
		slice = reflect.New(reflect.TypeFor[[]any]()).Elem()
	}
	if slice.Kind() != reflect.Slice {
		return r.errorf("a list, where %s is wanted", kindName(dst))
	}
	for i := 0; r.indent == indent && bytes.HasPrefix(r.text, []byte("- ")); i++ {
		r.indent, r.text = indent+2, r.text[2:]
		slice.Grow(1)
		slice.SetLen(i + 1)
		slice.Index(i).SetZero()
		if err := r.node(slice.Index(i), indent+2, r.below(path, "[%d]", i)); err != nil {
			return err
		}
	}
	dst.Set(slice)
	return nil
}

func (r *reader) mapping(dst reflect.Value, indent int, path string) error {
	target := dst
	switch {
	case dst.Kind() == reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		target = dst.Elem()
	case dst.Kind() == reflect.Interface:
		target = reflect.ValueOf(map[string]any{})
		dst.Set(target)
	case dst.Kind() == reflect.Map:
		dst.Set(reflect.MakeMap(dst.Type()))
	}
	if target.Kind() != reflect.Map && target.Kind() != reflect.Struct {
		return r.errorf("fields, where %s is wanted", kindName(dst))
	}
	for r.indent == indent {
		if err := r.entry(target, indent, path); err != nil {
			return err
		}
	}
	return nil
}

// entry reads one field of a structure or mapping.
func (r *reader) entry(target reflect.Value, indent int, path string) error {
	key, rest, ok := cutKey(r.text)
	if !ok {
		return r.errorf("%.40q is no field: it was edited: build it again", r.text)
	}
	var value reflect.Value
	if target.Kind() == reflect.Map {
		value = reflect.New(target.Type().Elem()).Elem()
	} else {
		f, ok := r.field(target.Type(), key)
		if !ok {
			return r.errorf("unknown field %.80q: it was edited, or a newer program built it", key)
		}
		value = target.FieldByIndex(f.index)
	}
	path = r.below(path, ".%s", key)
	if err := r.value(value, rest, indent, path); err != nil {
		return err
	}
	if target.Kind() == reflect.Map {
		target.SetMapIndex(reflect.ValueOf(key), value)
	}
	return nil
}

// value reads what follows a key: the rest of its line, or the lines below.
func (r *reader) value(dst reflect.Value, rest []byte, indent int, path string) error {
	r.visit(path)
	if len(rest) == 0 {
		r.next()
		return r.node(dst, indent+2, path)
	}
	err := r.scalar(dst, rest)
	r.next()
	return err
}

func (r *reader) field(t reflect.Type, name string) (field, bool) {
	if r.fields[t] == nil {
		r.fields[t] = map[string]field{}
		for _, f := range fieldsOf(t) {
			r.fields[t][f.name] = f
		}
	}
	f, ok := r.fields[t][name]
	return f, ok
}

// cutKey splits "key: value" or "key:".
func cutKey(text []byte) (key string, rest []byte, ok bool) {
	if bytes.HasPrefix(text, []byte(`"`)) {
		quoted, err := strconv.QuotedPrefix(string(text[:min(len(text), maxKey)]))
		if err != nil {
			return "", nil, false
		}
		if rest, ok = bytes.CutPrefix(text[len(quoted):], []byte(":")); !ok {
			return "", nil, false
		}
		key, err = strconv.Unquote(quoted)
		return key, bytes.TrimPrefix(rest, []byte(" ")), err == nil
	}
	if before, after, found := bytes.Cut(text, []byte(": ")); found && isPlain(string(before)) {
		return string(before), after, true
	}
	before, found := bytes.CutSuffix(text, []byte(":"))
	return string(before), nil, found && isPlain(string(before))
}

// scalar reads what is on one line.
func (r *reader) scalar(dst reflect.Value, text []byte) error {
	value, ok := parseScalar(string(text))
	if !ok {
		return r.errorf("%.80q is not as it is written here: it was edited: build it again", text)
	}
	if dst.Kind() == reflect.Pointer && value != nil {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	if !assign(dst, value) {
		return r.errorf("%.80q, where %s is wanted", text, kindName(dst))
	}
	return nil
}

// empty are the values that stand for nothing inside.
type (
	emptyMap  struct{}
	emptyList struct{}
)

// parseScalar returns a string, int64, float64, bool, nil or something empty.
func parseScalar(text string) (value any, ok bool) {
	switch text {
	case "{}":
		return emptyMap{}, true
	case "[]":
		return emptyList{}, true
	case "null":
		return nil, true
	case "true", "false":
		return text == "true", true
	}
	if strings.HasPrefix(text, `"`) {
		s, err := strconv.Unquote(text)
		return s, err == nil
	}
	if isPlain(text) {
		return text, true
	}
	return parseNumber(text)
}

// numberPattern is a number of JSON (RFC 8259, section 6).
var numberPattern = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// parseNumber returns an int64 when it is one, else a float64.
func parseNumber(text string) (any, bool) {
	if len(text) > 400 || !numberPattern.MatchString(text) {
		return nil, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// assign sets a value that fits.
func assign(dst reflect.Value, value any) bool {
	if dst.Kind() == reflect.Interface {
		switch value.(type) {
		case nil:
			dst.SetZero()
			return true
		case emptyMap:
			value = map[string]any{}
		case emptyList:
			value = []any{}
		}
		dst.Set(reflect.ValueOf(value))
		return true
	}
	switch v := value.(type) {
	case emptyMap:
		if dst.Kind() == reflect.Map {
			dst.Set(reflect.MakeMap(dst.Type()))
		}
		return dst.Kind() == reflect.Map
	case emptyList:
		if dst.Kind() == reflect.Slice {
			dst.Set(reflect.MakeSlice(dst.Type(), 0, 0))
		}
		return dst.Kind() == reflect.Slice
	case string:
		if dst.Kind() == reflect.String {
			dst.SetString(v)
		}
		return dst.Kind() == reflect.String
	case bool:
		if dst.Kind() == reflect.Bool {
			dst.SetBool(v)
		}
		return dst.Kind() == reflect.Bool
	}
	return assignNumber(dst, value)
}

func assignNumber(dst reflect.Value, value any) bool {
	i, isInt := value.(int64)
	f, isFloat := value.(float64)
	switch {
	case isInt && dst.CanInt() && !dst.OverflowInt(i):
		dst.SetInt(i)
	case isInt && dst.CanUint() && i >= 0 && !dst.OverflowUint(uint64(i)):
		dst.SetUint(uint64(i))
	case isInt && dst.CanFloat():
		dst.SetFloat(float64(i))
	case isFloat && dst.CanFloat():
		dst.SetFloat(f)
	default:
		return false
	}
	return true
}

// kindName says what is wanted.
func kindName(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.String:
		return "a text"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanInt(), v.CanUint():
		return "a whole number"
	case v.CanFloat():
		return "a number"
	case v.Kind() == reflect.Slice:
		return "a list"
	}
	return "a mapping"
}
