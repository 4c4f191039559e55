package find

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// step is one step of a path.
type step struct {
	name string // of a field; "" for elements of a list
	all  bool   // "*": all fields, or all elements
	deep bool   // "..": at any depth below
	at   int    // the element, when it is not all
}

// maxSteps bounds a path.
const maxSteps = 32

// parsePath reads "spec.containers[*].image", with ".." for any depth and names with
// dots in brackets. The error is registry.ErrInvalid.
func parsePath(text string) ([]step, error) {
	var steps []step
	rest := strings.TrimPrefix(text, "$")
	if rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	for rest != "" {
		var s step
		var ok bool
		if s, rest, ok = nextStep(rest); !ok || len(steps) == maxSteps {
			return nil, invalid("path %q: it is written as spec.image, spec.containers[*].image, spec..image or data[a.b], with %d steps at most", text, maxSteps)
		}
		if s.deep && slices.ContainsFunc(steps, func(s step) bool { return s.deep }) {
			return nil, invalid("path %q has more than one \"..\"", text)
		}
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil, invalid("path %q is empty", text)
	}
	return steps, nil
}

func nextStep(text string) (s step, rest string, ok bool) {
	if inside, isElement := strings.CutPrefix(text, "["); isElement {
		inside, rest, ok = strings.Cut(inside, "]")
		inside = strings.Trim(inside, `"'`)
		n, err := strconv.Atoi(inside)
		switch {
		case inside == "*":
			s.all = true
		case err == nil:
			s.at = n
		default:
			s.name = inside
		}
		return s, rest, ok && inside != "" && s.at >= 0
	}
	rest, s.deep = strings.CutPrefix(text, "..")
	if !s.deep {
		rest = strings.TrimPrefix(text, ".")
	}
	end := strings.IndexAny(rest, ".[")
	if end < 0 {
		end = len(rest)
	}
	s.name, rest = rest[:end], rest[end:]
	if s.all = s.name == "*"; s.all {
		s.name = ""
	}
	return s, rest, s.name != "" || s.all
}

// value is what a path led to.
type value struct {
	value any
	path  string
}

// follow returns what steps lead to.
func follow(steps []step, v any, path string) []value {
	if len(steps) == 0 {
		return []value{{v, path}}
	}
	s, list := steps[0], []value(nil)
	for _, c := range children(v, path) {
		if s.takes(v, c, path) {
			list = append(list, follow(steps[1:], c.value, c.path)...)
		}
		if s.deep {
			list = append(list, follow(steps, c.value, c.path)...)
		}
	}
	return list
}

// takes reports whether a step from parent goes to child.
func (s step) takes(parent any, child value, path string) bool {
	switch {
	case s.all:
		return true
	case s.name != "":
		_, isFields := parent.(map[string]any)
		return isFields && child.path == sub(path, s.name)
	}
	_, isList := parent.([]any)
	return isList && child.path == element(path, s.at)
}

// children are the fields, by name, or the elements of a value.
func children(v any, path string) (list []value) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, value{v[name], sub(path, name)})
		}
	case []any:
		for i, e := range v {
			list = append(list, value{e, element(path, i)})
		}
	}
	return list
}

// byPath notes the images that a path leads to: texts, fields that together are an
// image, and lists of them.
func (f finder) byPath(steps []step, content map[string]any, sure Sure) {
	for _, v := range follow(steps, content, "") {
		f.given(v, sure)
	}
}

func (f finder) given(v value, sure Sure) {
	switch content := v.value.(type) {
	case string:
		if text := bare(content); text != "" && !unexpanded(text) {
			f.add(text, v.path, rulePath, sure)
		}
	case map[string]any:
		if image, _ := inFields(content, true, ""); image != "" {
			f.add(image, v.path, rulePath, sure)
		}
	case []any:
		for _, c := range children(content, v.path) {
			f.given(c, sure)
		}
	}
}
