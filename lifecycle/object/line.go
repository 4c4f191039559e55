package object

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LineOf is the line of a field in the object's file, of the nearest that the path
// leads to when it does not lead to the end. Keys may have dots in them; they may
// also be in brackets: "metadata.annotations[a.b/c]". What an alias stands for is
// where that is written.
func (o Object) LineOf(path string) int {
	line, n := o.Line, o.node
	for n != nil && path != "" {
		var at *yaml.Node
		if at, n, path = step(target(n), path); at != nil {
			line = at.Line + o.offset
		}
	}
	return line
}

// step goes one key or index along the path. at is where that is written; the node
// is nil where the path leads nowhere.
func step(n *yaml.Node, path string) (at, value *yaml.Node, rest string) {
	switch n.Kind {
	case yaml.MappingNode:
		name, rest := nextKey(n, path)
		at, value = field(n, name)
		return at, value, rest
	case yaml.SequenceNode:
		index, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		if i, err := strconv.Atoi(index); ok && err == nil && i >= 0 && i < len(n.Content) {
			return target(n.Content[i]), n.Content[i], rest
		}
	}
	return nil, nil, ""
}

// nextKey takes the longest of a mapping's keys off the path that it begins with.
func nextKey(n *yaml.Node, path string) (key, rest string) {
	inBrackets := strings.HasPrefix(path, "[")
	path = strings.TrimPrefix(strings.TrimLeft(path, ".["), `"`)
	for _, f := range fieldsOf(n) {
		name := f.key.Value
		after, ok := strings.CutPrefix(path, name)
		if inBrackets {
			var closed bool
			after, closed = strings.CutPrefix(strings.TrimPrefix(after, `"`), "]")
			ok = ok && closed
		}
		if ok && len(name) >= len(key) && (after == "" || after[0] == '.' || after[0] == '[') {
			key, rest = name, after
		}
	}
	return key, rest
}

// named is a field as it is written.
type named struct{ key, value *yaml.Node }

// field is the one that counts of a mapping's fields of a name.
func field(n *yaml.Node, name string) (key, value *yaml.Node) {
	for _, f := range fieldsOf(n) {
		if f.key.Value == name {
			key, value = f.key, f.value
		}
	}
	return key, value
}

// fieldsOf are a mapping's fields, and before them what "<<" brings, so that the
// last of a name counts. n is of an object, and so no alias leads back to it.
func fieldsOf(n *yaml.Node) (list []named) {
	switch n = target(n); n.Kind {
	case yaml.SequenceNode: // of what "<<" brings, the first counts
		for _, element := range slices.Backward(n.Content) {
			list = append(list, fieldsOf(element)...)
		}
	case yaml.MappingNode:
		var own, merged []named
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := target(n.Content[i]), n.Content[i+1]
			if key.ShortTag() == "!!merge" {
				merged = append(fieldsOf(value), merged...)
			} else {
				own = append(own, named{key, value})
			}
		}
		list = append(merged, own...)
	}
	return list
}
