package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/registry"
)

const (
	maxValues = 20_000 // looked at, those that aliases repeat too
	maxDepth  = 64
	maxText   = 64 << 10 // bytes of one text
	maxErrors = 20       // that are told
)

// value is a value of the file and its place there.
type value struct {
	node  *yaml.Node
	path  string // "releases[0].chart"
	depth int
	line  int // where it was written; that of the alias, not of what it stands for
}

// entry is a field of a mapping.
type entry struct {
	key   string
	value value
}

// fail notes what is wrong with a value.
func (c *converter) fail(v value, format string, args ...any) {
	c.failAt(v.line, v.path, fmt.Sprintf(format, args...))
}

func (c *converter) failAt(line int, field, text string) {
	if len(c.errs) < maxErrors {
		if field != "" {
			text = field + ": " + text
		}
		c.errs = append(c.errs, fmt.Errorf("%s:%d: %w: %s", c.file, line, registry.ErrInvalid, text))
	}
}

// maps notes what a value became; drops, that it became nothing.
func (c *converter) maps(v value, format string, args ...any) {
	c.mapped = append(c.mapped, Note{c.file, v.line, v.path, fmt.Sprintf(format, args...)})
}

func (c *converter) drops(v value, format string, args ...any) {
	c.unmapped = append(c.unmapped, Note{c.file, v.line, v.path, fmt.Sprintf(format, args...)})
}

var linePattern = regexp.MustCompile(`(?s)\Ayaml: (?:line (\d+): )?(.*)\z`)

// documents reads YAML, all documents that say something.
func (c *converter) documents(content []byte) (docs []value, err error) {
	for d := yaml.NewDecoder(bytes.NewReader(content)); ; {
		var root yaml.Node
		err := d.Decode(&root)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			m, line := linePattern.FindStringSubmatch(err.Error()), 1
			text := err.Error()
			if m != nil {
				line, _ = strconv.Atoi(m[1])
				text = m[2]
			}
			return nil, fmt.Errorf("%s:%d: %w: no YAML: %s", c.file, max(line, 1), registry.ErrInvalid, text)
		}
		if n := root.Content[0]; n.Kind != yaml.ScalarNode || n.ShortTag() != "!!null" {
			docs = append(docs, value{node: n, line: n.Line})
		}
	}
}

// open makes a value ready to look into: what an alias stands for. It reports whether
// there is room for it.
func (c *converter) see(v value) (value, bool) {
	c.room--
	switch {
	case c.room == -1:
		c.fail(v, "more than %d values, aliases written out; write less, or fewer aliases", maxValues)
		return v, false
	case c.room < 0:
		return v, false
	case v.depth > maxDepth:
		c.fail(v, "deeper than %d levels, aliases written out", maxDepth)
		return v, false
	}
	for v.node.Kind == yaml.AliasNode {
		v.node = v.node.Alias
	}
	return v, true
}

// null reports whether a value is there without saying anything.
func (v value) null() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

// child is a value within another one.
func (v value) child(n *yaml.Node, path string) value {
	return value{node: n, path: strings.TrimPrefix(v.path+path, "."), depth: v.depth + 1, line: n.Line}
}

// entries are the fields of a mapping in its order, those of merge keys behind them.
func (c *converter) entries(v value) (list []entry) {
	v, ok := c.see(v)
	if !ok || v.null() {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		c.fail(v, "fields are wanted")
		return nil
	}
	has := map[string]bool{}
	add := func(e entry) {
		has[e.key] = true
		list = append(list, e)
	}
	var merged []value
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, ok := c.see(v.child(v.node.Content[i], ""))
		if !ok {
			return list
		}
		val := v.child(v.node.Content[i+1], "."+k.node.Value)
		switch {
		case k.node.Kind != yaml.ScalarNode || k.null():
			c.fail(k, "a key has to be a text")
		case k.node.ShortTag() == "!!merge":
			merged = append(merged, v.child(v.node.Content[i+1], ""))
		case has[k.node.Value]:
			c.fail(k, "%.40q is there twice", k.node.Value)
		default:
			add(entry{k.node.Value, val})
		}
	}
	for _, m := range merged {
		for _, e := range c.mergedEntries(m) {
			if !has[e.key] {
				e.value.line = m.line
				add(e)
			}
		}
	}
	return list
}

func (c *converter) mergedEntries(v value) (list []entry) {
	v, ok := c.see(v)
	if !ok || v.node.Kind != yaml.SequenceNode {
		return c.entries(v)
	}
	for _, n := range v.node.Content {
		list = append(list, c.entries(v.child(n, ""))...)
	}
	return list
}

// items are the values of a list; a single value is a list of one.
func (c *converter) items(v value) (list []value) {
	v, ok := c.see(v)
	if !ok || v.null() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		c.fail(v, "a list is wanted")
		return nil
	}
	for i, n := range v.node.Content {
		list = append(list, v.child(n, fmt.Sprintf("[%d]", i)))
	}
	return list
}

// text is a value that is neither list nor fields, as it is written.
func (c *converter) text(v value) string {
	v, ok := c.see(v)
	switch {
	case !ok || v.null():
		return ""
	case v.node.Kind != yaml.ScalarNode || !slices.Contains(plainTags, v.node.ShortTag()):
		c.fail(v, "a text is wanted")
		return ""
	case len(v.node.Value) > maxText:
		c.fail(v, "longer than %d bytes", maxText)
		return ""
	}
	return v.node.Value
}

var plainTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}

// filled is a text that nobody fills in anything into; else it is noted as unmapped,
// and not ok. A text that is not there is not ok either.
func (c *converter) filled(v value) (text string, ok bool) {
	text = c.text(v)
	if text != "" && c.templated(text) {
		c.drops(v, "%.80q is a template, which is not run here; write what comes out of it", text)
		return "", false
	}
	return text, text != ""
}

func (c *converter) templated(text string) bool { return c.templates != nil && c.templates(text) }

// boolean is true, false, or not said.
func (c *converter) boolean(v value) (is, said bool) {
	text, ok := c.filled(v)
	if !ok {
		return false, false
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		c.fail(v, "%.40q: true or false is wanted", text)
	}
	return is, err == nil
}

// platform is a platform as a profile says it.
func (c *converter) platform(v value, text string) []string {
	if _, err := registry.ParsePlatform(text); err != nil {
		c.fail(v, "%.60q: %v", text, err)
		return nil
	}
	return []string{text}
}

// texts are those of a list, templates left out and noted.
func (c *converter) texts(v value) (list []string) {
	for _, i := range c.items(v) {
		if t, ok := c.filled(i); ok {
			list = append(list, t)
		}
	}
	return list
}

// reader does something with the value of a field.
type reader func(value)

// fields calls for each field what is known for it. Others are noted as unmapped,
// with what why says of them.
func (c *converter) fields(v value, known map[string]reader, why map[string]string) {
	for _, e := range c.entries(v) {
		read, ok := known[e.key]
		seen, room := c.see(e.value)
		switch {
		case !room:
			return
		case seen.null():
		case ok:
			read(e.value)
		case why[e.key] != "":
			c.drops(e.value, "%s", why[e.key])
		default:
			c.drops(e.value, "a profile has no place for it")
		}
	}
}

// into is a reader that keeps a text, templates left out and noted.
func (c *converter) into(text *string) reader {
	return func(v value) { *text, _ = c.filled(v) }
}

// ignore is a reader of what is understood elsewhere, or says nothing new.
func ignore(value) {}
