package object

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

// What a file may be at most.
const (
	maxFile   = 32 << 20  // bytes
	maxDepth  = 100       // lists and fields within each other
	maxValues = 1_000_000 // in a file; what an alias stands for counts each time
)

// Read reads all documents of a file. What is in a List is an object of its own;
// empty documents are left out. A field that is there twice has its last value, as
// for Helm. What could be read is returned also beside an error, which wraps
// registry.ErrInvalid and names file and line.
func Read(f File) ([]Object, error) {
	r := &reader{file: f.Path}
	switch {
	case len(f.Content) > maxFile:
		return nil, r.errorf(1, "larger than %d MiB; split it", maxFile>>20)
	case mostValues(f.Content) > maxValues:
		return nil, r.errorf(1, "more than %d values; split it", maxValues)
	}
	var problems []error
	for _, d := range split(f.Content) {
		if err := r.document(d); err != nil {
			problems = append(problems, err)
		}
	}
	return r.objects, errors.Join(problems...)
}

// mostValues counts what values can begin after, before memory is taken for any.
func mostValues(content string) int {
	n := 0
	for _, s := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029", ",", "[", "{", "- ", "? "} {
		n += strings.Count(content, s)
	}
	return n
}

// reader reads one file.
type reader struct {
	file    string
	objects []Object
	number  int // of documents that are not empty
	values  int // so far
	offset  int // lines before the document
}

func (r *reader) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w: %s", r.file, line, registry.ErrInvalid, fmt.Sprintf(format, args...))
}

func (r *reader) document(d document) error {
	roots, err := d.parse()
	if err != nil {
		line, text := d.locate(err)
		return r.errorf(line, "not YAML: %s", text)
	}
	r.offset = d.offset
	for _, root := range roots {
		if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
			continue
		}
		value, err := r.value(root, 0)
		if err != nil {
			return err
		}
		r.add(root, value, "", "")
		r.number++
	}
	return nil
}

// add makes objects of a document or of an element of a list, which are of the
// given version and kind when they do not say it themselves.
func (r *reader) add(n *yaml.Node, value any, version, kind string) {
	n = target(n)
	o := Object{File: r.file, Line: n.Line + r.offset, Document: r.number, node: n, offset: r.offset}
	switch value := value.(type) {
	case []any:
		for i, element := range value {
			r.add(n.Content[i], element, version, kind)
		}
		return
	case map[string]any:
		complete(value, "apiVersion", version)
		complete(value, "kind", kind)
		if items := itemsOf(n, value); items != nil {
			if kind = strings.TrimSuffix(text(value, "kind"), "List"); kind != "" {
				version = text(value, "apiVersion") // "v1", "List" can hold anything
			}
			r.add(items, value["items"], version, kind)
			return
		}
		o.Content, o.ID = value, identify(value)
	}
	r.objects = append(r.objects, o)
}

func complete(content map[string]any, name, given string) {
	if _, ok := content[name]; !ok && given != "" {
		content[name] = given
	}
}

// itemsOf is what is in a list of objects, nil for other objects. A list has no
// name; an object of a kind that only ends like that has one.
func itemsOf(n *yaml.Node, content map[string]any) *yaml.Node {
	if _, ok := content["items"].([]any); !ok || !strings.HasSuffix(text(content, "kind"), "List") || identify(content).Name != "" {
		return nil
	}
	_, items := field(n, "items")
	return target(items)
}

// value is what a node stands for.
func (r *reader) value(n *yaml.Node, depth int) (any, error) {
	line := n.Line + r.offset
	if r.values++; r.values > maxValues {
		return nil, r.errorf(line, "more than %d values, an alias multiplies them; write them out", maxValues)
	}
	if depth > maxDepth {
		return nil, r.errorf(line, "fields are nested deeper than %d, or an alias is within what it stands for", maxDepth)
	}
	switch n = target(n); n.Kind {
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			var err error
			if list[i], err = r.value(element, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		return r.fields(n, depth)
	}
	return scalar(n), nil
}

func (r *reader) fields(n *yaml.Node, depth int) (map[string]any, error) {
	fields := map[string]any{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := target(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, r.errorf(key.Line+r.offset, "the name of a field is a list or has fields itself; write a text")
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		v, err := r.value(value, depth+1)
		if err != nil {
			return nil, err
		}
		fields[key.Value] = v
	}
	for _, n := range merged {
		value, err := r.value(n, depth+1)
		if err != nil {
			return nil, err
		}
		merge(fields, value)
	}
	return fields, nil
}

// merge fills in what "<<" brings and is not there yet: fields, or a list of them,
// the first of which counts.
func merge(fields map[string]any, value any) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			merge(fields, v)
		}
	case map[string]any:
		for name, v := range value {
			if _, ok := fields[name]; !ok {
				fields[name] = v
			}
		}
	}
}

// scalar is a value that is no list and has no fields. What JSON does not know, as
// dates, stays the text that it is.
func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		var v any
		if n.Decode(&v) != nil {
			return n.Value
		}
		switch v := v.(type) {
		case int:
			return int64(v)
		case uint64:
			return float64(v)
		case int64, float64, bool:
			return v
		}
	}
	return n.Value
}

// target is what an alias stands for; other nodes stand for themselves.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
