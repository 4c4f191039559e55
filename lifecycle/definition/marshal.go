package definition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Marshal is the document: the one form that Parse reads back to the same definition.
// A definition that Parse would refuse is ErrInvalid, with the field.
func Marshal(d *Definition) ([]byte, error) {
	if err := check(d); err != nil {
		return nil, fmt.Errorf("definition %.80s %.80s: %w", d.Name, d.Version, err)
	}
	content, err := encode(d)
	if err != nil {
		return nil, fmt.Errorf("definition %s %s: %w", d.Name, d.Version, err)
	}
	return content, nil
}

// encode writes the canonical YAML of any definition (docs/DEFINITION.md, "Form").
func encode(d *Definition) ([]byte, error) {
	w := &writer{fields: map[reflect.Type][]field{}}
	if err := w.node(reflect.ValueOf(d), 0, atStart); err != nil {
		return nil, err
	}
	if w.b.Len() > maxDocument || w.lines > maxLines {
		return nil, fmt.Errorf("%w: %d bytes in %d lines; at most %d and %d are read: split the profile", registry.ErrInvalid, w.b.Len(), w.lines, maxDocument, maxLines)
	}
	return w.b.Bytes(), nil
}

// Bounds of a document.
const (
	maxDocument = 64 << 20 // bytes
	maxLines    = 1_000_000
	maxDepth    = 100
	maxKey      = 1000 // bytes of a key as it is written; YAML 1.2, 7.4.2, allows 1024 characters
)

// place is what stands before a node on its line.
type place int

const (
	atStart place = iota
	afterKey
	afterDash
)

// writer writes block-style YAML, two spaces for each level.
type writer struct {
	b      bytes.Buffer
	lines  int
	fields map[reflect.Type][]field
}

// node writes a value; a mapping or list has its entries at indent.
func (w *writer) node(v reflect.Value, indent int, at place) error {
	if indent > 2*maxDepth {
		return fmt.Errorf("%w: values nested deeper than %d", registry.ErrInvalid, maxDepth)
	}
	switch v.Kind() {
	case reflect.Invalid:
		w.scalar("null")
	case reflect.Interface, reflect.Pointer:
		return w.node(v.Elem(), indent, at)
	case reflect.Struct:
		return w.structure(v, indent, at)
	case reflect.Map:
		return w.mapping(v, indent, at)
	case reflect.Slice:
		return w.list(v, indent, at)
	default:
		text, err := scalarText(v)
		if err != nil {
			return err
		}
		w.scalar(text)
	}
	return nil
}

// scalar ends the line.
func (w *writer) scalar(text string) {
	w.b.WriteString(" " + text + "\n")
	w.lines++
}

// begin goes to where an entry begins.
func (w *writer) begin(i, indent int, at place) {
	switch {
	case i == 0 && at == atStart:
		return
	case i == 0 && at == afterDash:
		w.b.WriteByte(' ')
		return
	case i == 0:
		w.b.WriteByte('\n')
		w.lines++
	}
	w.b.WriteString(strings.Repeat(" ", indent))
}

func (w *writer) structure(v reflect.Value, indent int, at place) error {
	fields := w.fields[v.Type()]
	if fields == nil {
		fields = fieldsOf(v.Type())
		w.fields[v.Type()] = fields
	}
	i := 0
	for _, f := range fields {
		value := v.FieldByIndex(f.index)
		if f.omit && isEmpty(value) {
			continue
		}
		w.begin(i, indent, at)
		if err := w.entry(f.name, value, indent); err != nil {
			return err
		}
		i++
	}
	if i == 0 {
		w.scalar("{}")
	}
	return nil
}

// isEmpty is what omitempty of encoding/json leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (w *writer) mapping(v reflect.Value, indent int, at place) error {
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("%w: a mapping with keys of type %s; texts are wanted", registry.ErrInvalid, v.Type().Key())
	}
	byKey := map[string]reflect.Value{}
	for key, value := range v.Seq2() {
		byKey[key.String()] = value
	}
	for i, key := range slices.Sorted(maps.Keys(byKey)) {
		w.begin(i, indent, at)
		if err := w.entry(key, byKey[key], indent); err != nil {
			return err
		}
	}
	if v.Len() == 0 {
		w.scalar("{}")
	}
	return nil
}

func (w *writer) entry(key string, value reflect.Value, indent int) error {
	text := textOf(key)
	if len(text) > maxKey {
		return fmt.Errorf("%w: the key %.40q... is longer than %d bytes", registry.ErrInvalid, key, maxKey)
	}
	w.b.WriteString(text + ":")
	if err := w.node(value, indent+2, afterKey); err != nil {
		return fmt.Errorf("%.80s: %w", key, err)
	}
	return nil
}

func (w *writer) list(v reflect.Value, indent int, at place) error {
	for i := range v.Len() {
		w.begin(i, indent, at)
		w.b.WriteByte('-')
		if err := w.node(v.Index(i), indent+2, afterDash); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	if v.Len() == 0 {
		w.scalar("[]")
	}
	return nil
}

func scalarText(v reflect.Value) (string, error) {
	if n, ok := v.Interface().(json.Number); ok {
		return numberText(n)
	}
	switch {
	case v.Kind() == reflect.String:
		return textOf(v.String()), nil
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint() && v.Uint() <= math.MaxInt64:
		return strconv.FormatUint(v.Uint(), 10), nil
	case v.CanUint():
		return floatText(float64(v.Uint()))
	case v.CanFloat():
		return floatText(v.Float())
	}
	return "", fmt.Errorf("%w: a value of type %s", registry.ErrInvalid, v.Type())
}

func numberText(n json.Number) (string, error) {
	value, ok := parseNumber(n.String())
	if !ok {
		return "", fmt.Errorf("%w: number %.40q", registry.ErrInvalid, n)
	}
	return scalarText(reflect.ValueOf(value))
}

// floatText is the shortest decimal number that is the value, which YAML 1.1 takes
// for a number, too: there has to be a point before an exponent.
func floatText(f float64) (string, error) {
	if f == 0 {
		return "0", nil // also when it is negative
	}
	b, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("%w: number %v", registry.ErrInvalid, f)
	}
	text := string(b)
	if i := strings.IndexByte(text, 'e'); i >= 0 && !strings.Contains(text, ".") {
		text = text[:i] + ".0" + text[i:]
	}
	return text, nil
}

// words are what some version of YAML takes for something else than a text.
var words = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"}

// isPlain reports whether a text is certainly a text for each reader of YAML, 1.1
// and 1.2, without quotes.
func isPlain(s string) bool {
	if s == "" || len(s) <= 5 && slices.Contains(words, strings.ToLower(s)) || strings.Contains(s, ": ") || strings.Contains(s, "  ") || strings.HasSuffix(s, ":") || strings.HasSuffix(s, " ") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		first := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '/'
		later := '0' <= c && c <= '9' || strings.IndexByte(" .@:+=,;()[]*-", c) >= 0
		if !first && (i == 0 || !later) {
			return false
		}
	}
	return true
}

// textOf is a text as it is written: plain, or in double quotes with the escapes that
// JSON and YAML share.
func textOf(s string) string {
	if isPlain(s) {
		return s
	}
	b := []byte{'"'}
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case isHidden(c):
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, string(c)...)
		}
	}
	return string(append(b, '"'))
}

// hidden are the characters that are written as numbers: those that YAML does not
// allow or takes for an end of a line, and those that nobody sees or that turn the
// direction of a text. It is a list of its own since the form of a document must not
// depend on the version of Unicode that a program knows.
var hidden = []struct{ from, to rune }{
	{0, 0x1f}, {0x7f, 0xa0}, {0xad, 0xad}, {0x61c, 0x61c}, {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f}, {0xfeff, 0xfeff}, {0xfff0, 0xffff},
}

func isHidden(c rune) bool {
	for _, r := range hidden {
		if r.from <= c && c <= r.to {
			return true
		}
	}
	return false
}

// field is a field of a structure as the document has it.
type field struct {
	name  string
	index []int
	omit  bool
}

// fieldsOf are the fields in the order in which they are written: that of the type,
// names as in its JSON form.
func fieldsOf(t reflect.Type) (list []field) {
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		list = append(list, field{name, f.Index, options == "omitempty"})
	}
	return list
}
