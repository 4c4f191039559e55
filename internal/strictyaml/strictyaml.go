// Package strictyaml reads YAML that people write, and so JSON, value by value
// instead of into structs: what is unknown, there twice or of the wrong kind is
// an error that names the line, the column and the field, and says in words what
// is wanted. Aliases, tags of one's own and characters beyond printable ASCII are
// refused, but where a field is for prose (Prose) or for values whose shape the
// reader does not know (Free).
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxText bounds one value, in bytes, unless it is read as a block of text.
const maxText = 1024

// Field is a value of the file and its place there.
type Field struct {
	path    string // "rules[0].keep.last"
	node    *yaml.Node
	invalid error // what errors wrap
}

// Error is a problem with its place. It wraps what Read was given as invalid.
type Error struct {
	Line, Column int    // 1 is the first; Column 0: the YAML itself is broken, near the line
	Path         string // of the field, "rules[0].keep.last"; "" for the whole
	Text         string // what is wrong and what is wanted
	Invalid      error
}

func (e *Error) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("%v: yaml: line %d: %s", e.Invalid, e.Line, e.Text)
	}
	place := fmt.Sprintf("line %d, column %d", e.Line, e.Column)
	if e.Path != "" {
		place += ": " + e.Path
	}
	return fmt.Sprintf("%s: %v: %s", place, e.Invalid, e.Text)
}

// Unwrap is Invalid.
func (e *Error) Unwrap() error { return e.Invalid }

// ErrEmpty is what Read says of a document without content.
var ErrEmpty = errors.New("it is empty")

// Read reads exactly one document. Errors wrap invalid.
func Read(content []byte, invalid error) (Field, error) {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(content))
	err := d.Decode(&root)
	switch {
	case errors.Is(err, io.EOF):
		return Field{}, fmt.Errorf("%w: %w", invalid, ErrEmpty)
	case err != nil:
		return Field{}, broken(err, content, invalid)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return Field{}, fmt.Errorf("line %d: %w: more than one YAML document", more.Line, invalid)
	case !errors.Is(err, io.EOF):
		return Field{}, broken(err, content, invalid)
	}
	return Field{node: root.Content[0], invalid: invalid}, nil
}

var (
	brokenPattern = regexp.MustCompile(`(?s)\Ayaml: (?:line (\d+): )?(.*)\z`)
	anchorPattern = regexp.MustCompile(`unknown anchor '(.+)' referenced`)
)

// broken is the YAML library's error, with a line also where it tells none.
func broken(err error, content []byte, invalid error) error {
	m := brokenPattern.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf("%w: %v", invalid, err)
	}
	line, _ := strconv.Atoi(m[1])
	if line == 0 {
		line = brokenLine(content, m[2])
	}
	return &Error{Line: line, Text: m[2], Invalid: invalid}
}

// brokenLine is where an alias that stands for nothing is, or the first character
// that no YAML may have. Else it is the first line: the library leaves out 0.
func brokenLine(content []byte, text string) int {
	var at int
	if m := anchorPattern.FindStringSubmatch(text); m != nil {
		at = bytes.Index(content, []byte("*"+m[1]))
	} else {
		at = bytes.IndexFunc(content, func(c rune) bool {
			return c == utf8.RuneError || c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7F
		})
	}
	return 1 + bytes.Count(content[:max(at, 0)], []byte("\n"))
}

// ReadFields reads a document of at most max bytes whose first field is version,
// of one known version, and whose others are known ones.
func ReadFields(content []byte, max int, invalid error, version string, known ...string) (map[string]Field, error) {
	if len(content) > max {
		return nil, fmt.Errorf("%w: larger than %d bytes", invalid, max)
	}
	root, err := Read(content, invalid)
	if err != nil {
		return nil, err
	}
	if _, err := root.Version(version); err != nil {
		return nil, err
	}
	return root.Fields(append([]string{"version"}, known...)...)
}

// Errorf is an *Error with the field's place.
func (f Field) Errorf(format string, args ...any) error {
	return &Error{Line: f.node.Line, Column: f.node.Column, Path: f.path, Text: fmt.Sprintf(format, args...), Invalid: f.invalid}
}

// Line is where the field's value begins; 1 is the first line.
func (f Field) Line() int { return f.node.Line }

// Path is the field's name from the document's root on, "rules[0].keep.last".
func (f Field) Path() string { return f.path }

// IsList reports whether the value is a list.
func (f Field) IsList() bool { return f.node.Kind == yaml.SequenceNode }

// IsFields reports whether the value is a mapping.
func (f Field) IsFields() bool { return f.node.Kind == yaml.MappingNode }

// Version wants the first field to be version and one of the known ones: what
// the other fields may be depends on it.
func (f Field) Version(known ...string) (string, error) {
	if f.node.Kind != yaml.MappingNode || len(f.node.Content) < 2 || f.node.Content[0].Value != "version" {
		return "", f.Errorf("the first field has to be version: %s", known[len(known)-1])
	}
	return Text(Field{"version", f.node.Content[1], f.invalid}, func(text string) (string, error) {
		if !slices.Contains(known, text) {
			return "", fmt.Errorf("not a version that is known here (%s)", strings.Join(known, ", "))
		}
		return text, nil
	})
}

// Text is the value of a field that is neither list nor fields, as written:
// 1.10 stays 1.10. No name, tag, version or size needs more than ASCII.
func (f Field) Text() (string, error) {
	if err := f.scalar(); err != nil {
		return "", err
	}
	n := f.node
	switch {
	case len(n.Value) > maxText:
		return "", f.Errorf("longer than %d bytes", maxText)
	case strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' || c > '~' }):
		return "", f.Errorf("%.80q has characters other than printable ASCII", n.Value)
	}
	return n.Value, nil
}

// Block is a text of several lines, of at most max bytes.
func (f Field) Block(max int) (string, error) {
	if err := f.scalar(); err != nil {
		return "", err
	}
	n := f.node
	switch {
	case len(n.Value) > max:
		return "", f.Errorf("longer than %d bytes", max)
	case strings.ContainsFunc(n.Value, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }):
		return "", f.Errorf("it has characters other than printable ASCII")
	}
	return n.Value, nil
}

func (f Field) scalar() error {
	n := f.node
	switch {
	case n.Kind == yaml.AliasNode:
		return f.Errorf("an alias; write the value out")
	case n.Kind != yaml.ScalarNode:
		return f.Errorf("one value is wanted")
	case n.ShortTag() == "!!null":
		return f.Errorf("it has no value; leave the field out")
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, n.ShortTag()):
		return f.Errorf("a value of type %.20q", n.ShortTag())
	}
	return nil
}

// List is the values of a list, which may be empty.
func (f Field) List() ([]Field, error) {
	if f.node.Kind != yaml.SequenceNode {
		return nil, f.Errorf("a list is wanted")
	}
	list := make([]Field, len(f.node.Content))
	for i, n := range f.node.Content {
		list[i] = Field{fmt.Sprintf("%s[%d]", f.path, i), n, f.invalid}
	}
	return list, nil
}

// Fields is the values of fields by name, each at most once and of a known name.
func (f Field) Fields(known ...string) (map[string]Field, error) {
	entries, err := f.entries(strings.Join(known, ", "))
	if err != nil {
		return nil, err
	}
	values := map[string]Field{}
	for _, e := range entries {
		if !slices.Contains(known, e.Key) {
			return nil, Field{f.path, e.key, f.invalid}.Errorf("unknown field %.40q (%s)", e.Key, strings.Join(known, ", "))
		}
		values[e.Key] = e.Value
	}
	return values, nil
}

// KnownFields is Fields that goes on: it returns those of a known name, and all that
// is wrong with the others.
func (f Field) KnownFields(known ...string) (map[string]Field, []error) {
	values := map[string]Field{}
	if f.node.Kind != yaml.MappingNode {
		return values, []error{f.Errorf("fields are wanted (%s)", strings.Join(known, ", "))}
	}
	var wrong []error
	seen := map[string]int{}
	for i := 0; i < len(f.node.Content); i += 2 {
		key := f.node.Content[i]
		at := Field{f.path, key, f.invalid}
		switch line, twice := seen[key.Value]; {
		case twice:
			wrong = append(wrong, at.Errorf("field %.40q is there twice, first in line %d", key.Value, line))
			continue
		case !slices.Contains(known, key.Value):
			wrong = append(wrong, at.Errorf("unknown field %.40q (%s)", key.Value, strings.Join(known, ", ")))
		default:
			values[key.Value] = Field{strings.TrimPrefix(f.path+"."+key.Value, "."), f.node.Content[i+1], f.invalid}
		}
		seen[key.Value] = key.Line
	}
	return values, wrong
}

// Entry is one entry of a mapping whose keys are names of the writer's own.
type Entry struct {
	Key   string
	Value Field
	key   *yaml.Node
}

// Entries is a mapping in its order, with every key at most once.
func (f Field) Entries() ([]Entry, error) { return f.entries("names of your own") }

func (f Field) entries(wanted string) ([]Entry, error) {
	if f.node.Kind != yaml.MappingNode {
		return nil, f.Errorf("fields are wanted (%s)", wanted)
	}
	var entries []Entry
	seen := map[string]bool{}
	for i := 0; i < len(f.node.Content); i += 2 {
		key := f.node.Content[i]
		name := key.Value
		if seen[name] {
			return nil, Field{f.path, key, f.invalid}.Errorf("field %q is there twice", name)
		}
		seen[name] = true
		value := Field{strings.TrimPrefix(f.path+"."+name, "."), f.node.Content[i+1], f.invalid}
		entries = append(entries, Entry{name, value, key})
	}
	return entries, nil
}

// Text reads one value with its parser.
func Text[T any](f Field, parse func(string) (T, error)) (value T, err error) {
	text, err := f.Text()
	if err != nil {
		return value, err
	}
	if value, err = parse(text); err != nil {
		return value, f.Errorf("%.80q: %v", text, err)
	}
	return value, nil
}

// List reads a list of at least one value.
func List[T any](f Field, parse func(string) (T, error)) ([]T, error) {
	list, err := f.List()
	if err == nil && len(list) == 0 {
		err = f.Errorf("an empty list; leave the field out")
	}
	values := make([]T, len(list))
	for i := range list {
		if err == nil {
			values[i], err = Text(list[i], parse)
		}
	}
	return values, err
}
