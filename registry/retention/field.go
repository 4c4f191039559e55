package retention

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

// maxText bounds one value, in bytes. It keeps expressions and messages small.
const maxText = 1024

// field is a value of the file and its place there. Values are read one by
// one instead of into structs, so that messages name the field and the line
// and say in words what was wanted.
type field struct {
	path string // "rules[0].keep.last"
	node *yaml.Node
}

// readDocument reads YAML, and so JSON, of exactly one document.
func readDocument(content []byte) (field, error) {
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(content))
	err := d.Decode(&root)
	switch {
	case errors.Is(err, io.EOF):
		return field{}, fmt.Errorf("%w: it is empty", registry.ErrInvalid)
	case err != nil:
		return field{}, fmt.Errorf("%w: %v", registry.ErrInvalid, err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return field{}, fmt.Errorf("line %d: %w: more than one YAML document", more.Line, registry.ErrInvalid)
	case !errors.Is(err, io.EOF):
		return field{}, fmt.Errorf("%w: %v", registry.ErrInvalid, err)
	}
	return field{node: root.Content[0]}, nil
}

// errorf is ErrInvalid with the field's place.
func (f field) errorf(format string, args ...any) error {
	place := fmt.Sprintf("line %d", f.node.Line)
	if f.path != "" {
		place += ": " + f.path
	}
	return fmt.Errorf("%s: %w: %s", place, registry.ErrInvalid, fmt.Sprintf(format, args...))
}

// text is the value of a field that is neither list nor fields, as written:
// 1.10 stays 1.10. No name, tag, version or size needs more than ASCII.
func (f field) text() (string, error) {
	n := f.node
	switch {
	case n.Kind == yaml.AliasNode:
		return "", f.errorf("an alias; write the value out")
	case n.Kind != yaml.ScalarNode:
		return "", f.errorf("one value is wanted")
	case n.ShortTag() == "!!null":
		return "", f.errorf("it has no value; leave the field out")
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, n.ShortTag()):
		return "", f.errorf("a value of type %.20q", n.ShortTag())
	case len(n.Value) > maxText:
		return "", f.errorf("longer than %d bytes", maxText)
	case strings.ContainsFunc(n.Value, func(c rune) bool { return c < ' ' || c > '~' }):
		return "", f.errorf("%.80q has characters other than printable ASCII", n.Value)
	}
	return n.Value, nil
}

// list is the values of a list, which may be empty.
func (f field) list() ([]field, error) {
	if f.node.Kind != yaml.SequenceNode {
		return nil, f.errorf("a list is wanted")
	}
	list := make([]field, len(f.node.Content))
	for i, n := range f.node.Content {
		list[i] = field{fmt.Sprintf("%s[%d]", f.path, i), n}
	}
	return list, nil
}

// fields is the values of fields by name, each at most once and of a known name.
func (f field) fields(known ...string) (map[string]field, error) {
	if f.node.Kind != yaml.MappingNode {
		return nil, f.errorf("fields are wanted (%s)", strings.Join(known, ", "))
	}
	values := map[string]field{}
	for i := 0; i < len(f.node.Content); i += 2 {
		key := f.node.Content[i]
		name := key.Value
		switch _, twice := values[name]; {
		case !slices.Contains(known, name):
			return nil, field{f.path, key}.errorf("unknown field %.40q (%s)", name, strings.Join(known, ", "))
		case twice:
			return nil, field{f.path, key}.errorf("field %q is there twice", name)
		}
		values[name] = field{strings.TrimPrefix(f.path+"."+name, "."), f.node.Content[i+1]}
	}
	return values, nil
}

// parseText reads one value with its parser.
func parseText[T any](f field, parse func(string) (T, error)) (value T, err error) {
	text, err := f.text()
	if err != nil {
		return value, err
	}
	if value, err = parse(text); err != nil {
		return value, f.errorf("%.80q: %v", text, err)
	}
	return value, nil
}

// parseList reads a list of at least one value.
func parseList[T any](f field, parse func(string) (T, error)) ([]T, error) {
	list, err := f.list()
	if err == nil && len(list) == 0 {
		err = f.errorf("an empty list; leave the field out")
	}
	values := make([]T, len(list))
	for i := range list {
		if err == nil {
			values[i], err = parseText(list[i], parse)
		}
	}
	return values, err
}
