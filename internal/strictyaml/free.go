package strictyaml

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Prose is text that people write for people, of at most max bytes: any language,
// several lines. Characters that are not shown, or that turn the direction of what
// follows, are refused: what is read would not be what is meant.
func (f Field) Prose(max int) (string, error) {
	if err := f.scalar(); err != nil {
		return "", err
	}
	text := f.node.Value
	if len(text) > max {
		return "", f.Errorf("longer than %d bytes", max)
	}
	if i := strings.IndexFunc(text, unseen); i >= 0 {
		return "", f.Errorf("it has the character %U, which is not shown; take it out", []rune(text[i:])[0])
	}
	return text, nil
}

func unseen(c rune) bool {
	if c == '\n' || c == '\t' {
		return false
	}
	return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) || c == '\uFEFF' || c == '\u2028' || c == '\u2029'
}

// Limits bound values of a shape that the reader does not know. The zero value takes
// DefaultDepth and DefaultValues.
type Limits struct {
	Depth  int // lists and mappings within each other; 0: DefaultDepth
	Values int // of all kinds, those that aliases repeat too; 0: DefaultValues
	// Text is called with each text that is a value, at its own place; nil: not.
	Text func(at Field, text string)
}

// What Limits are without others.
const (
	DefaultDepth  = 64
	DefaultValues = 100_000
)

// maxFreeText bounds all texts together, those that aliases repeat too, in bytes.
const maxFreeText = 8 << 20

// ReadFree is Free of a document, nil of an empty one.
func ReadFree(content []byte, invalid error, limits Limits) (any, error) {
	if blank(content) {
		return nil, nil
	}
	root, err := Read(content, invalid)
	if err != nil {
		return nil, err
	}
	return root.Free(limits)
}

// blank reports whether there is nothing but comments and marks of documents.
func blank(content []byte) bool {
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line != "" && line != "---" && line != "..." && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// Free is a value of any shape: nil, string, bool, int64, float64, []any or
// map[string]any. It reads as Helm reads values: yes, no, on and off are true and
// false, a date is a text, and keys are texts. Aliases and merge keys ("<<") count
// for what they stand for. A key that is there twice, a tag of one's own, and what
// JSON has no number for are errors.
func (f Field) Free(limits Limits) (any, error) {
	if limits.Depth == 0 {
		limits.Depth = DefaultDepth
	}
	if limits.Values == 0 {
		limits.Values = DefaultValues
	}
	r := &freeReader{limits: limits, values: limits.Values, bytes: maxFreeText}
	return r.value(f, limits.Depth)
}

// freeReader reads values as long as there is room.
type freeReader struct {
	limits Limits
	values int    // that are left
	bytes  int    // of text that are left
	alias  *Field // the outermost one that is being followed
}

// at is where too much is to be mended: the alias that brought it.
func (r *freeReader) at(f Field) Field {
	if r.alias != nil {
		return *r.alias
	}
	return f
}

func (r *freeReader) value(f Field, depth int) (any, error) {
	if f.node.Kind == yaml.AliasNode {
		if r.alias == nil {
			at := f
			r.alias = &at
			defer func() { r.alias = nil }()
		}
		f.node = f.node.Alias
	}
	r.values--
	switch {
	case r.values < 0:
		return nil, r.at(f).Errorf("more than %d values, aliases written out; write less, or fewer aliases", r.limits.Values)
	case depth == 0:
		return nil, r.at(f).Errorf("deeper than %d levels, aliases written out", r.limits.Depth)
	}
	switch f.node.Kind {
	case yaml.MappingNode:
		return r.mapping(f, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(f.node.Content))
		fields, err := f.List()
		for _, e := range fields {
			v, err := r.value(e, depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, err
	}
	return r.scalar(f)
}

func (r *freeReader) mapping(f Field, depth int) (any, error) {
	values := map[string]any{}
	lines := map[string]int{}
	var merged []Field
	for i := 0; i < len(f.node.Content); i += 2 {
		key := Field{f.path, f.node.Content[i], f.invalid}
		if key.node.Kind == yaml.AliasNode {
			key.node = key.node.Alias
		}
		name := key.node.Value
		value := Field{strings.TrimPrefix(f.path+"."+name, "."), f.node.Content[i+1], f.invalid}
		switch line, twice := lines[name]; {
		case key.node.Kind != yaml.ScalarNode || key.node.ShortTag() == "!!null":
			return nil, key.Errorf("a key has to be a text")
		case key.node.ShortTag() == "!!merge":
			merged = append(merged, value)
			continue
		case twice:
			return nil, key.Errorf("key %.40q is there twice, first in line %d", name, line)
		}
		lines[name] = key.node.Line
		if r.bytes -= len(name); r.bytes < 0 {
			return nil, r.at(key).tooMuch()
		}
		v, err := r.value(value, depth-1)
		if err != nil {
			return nil, err
		}
		values[name] = v
	}
	return values, r.merge(values, merged, depth)
}

// merge adds what the merge keys bring and values does not have; the first counts.
func (r *freeReader) merge(values map[string]any, merged []Field, depth int) error {
	for _, f := range merged {
		v, err := r.value(f, depth-1)
		if err != nil {
			return err
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, v := range list {
			m, ok := v.(map[string]any)
			if !ok {
				return f.Errorf("a merge key wants a mapping, or a list of them")
			}
			for name, v := range m {
				if _, is := values[name]; !is {
					values[name] = v
				}
			}
		}
	}
	return nil
}

func (f Field) tooMuch() error {
	return f.Errorf("more than %d bytes of text, aliases written out", maxFreeText)
}

func (r *freeReader) scalar(f Field) (any, error) {
	n := f.node
	plain := n.Style&(yaml.TaggedStyle|yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!str", "!!timestamp":
		if plain && slices.Contains([]string{"y", "yes", "on", "n", "no", "off"}, strings.ToLower(n.Value)) && sameCase(n.Value) {
			return slices.Contains([]string{"y", "yes", "on"}, strings.ToLower(n.Value)), nil
		}
		if r.bytes -= len(n.Value); r.bytes < 0 {
			return nil, r.at(f).tooMuch()
		}
		if r.limits.Text != nil {
			r.limits.Text(f, n.Value)
		}
		return n.Value, nil
	case "!!bool", "!!int", "!!float":
		if decimalPattern.MatchString(n.Value) && n.ShortTag() == "!!int" { // nearly all; Decode is slow
			if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
				return i, nil
			}
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, f.Errorf("%.40q is no %s", n.Value, n.ShortTag()[2:])
		}
		return number(f, v)
	}
	return nil, f.Errorf("a value of type %.20q", n.ShortTag())
}

var decimalPattern = regexp.MustCompile(`\A-?[1-9][0-9]*\z`)

// sameCase: yes, Yes and YES are true, yEs is a text.
func sameCase(s string) bool {
	return s == strings.ToLower(s) || s == strings.ToUpper(s) || s[1:] == strings.ToLower(s[1:])
}

// number makes of what the library gives one of the types that Free promises.
func number(f Field, v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		return float64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, f.Errorf("%.40q is no finite number", f.node.Value)
		}
		return v, nil
	}
	return nil, f.Errorf("%.40q is no number", f.node.Value)
}
