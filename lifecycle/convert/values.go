package convert

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// copied is a value of any shape as the profile says it, aliases written out; nil
// where it has nothing. Templates in it are left out and noted.
func (c *converter) copied(v value) *yaml.Node {
	v, ok := c.see(v)
	if !ok {
		return nil
	}
	switch v.node.Kind {
	case yaml.MappingNode:
		m := mapping{}
		for _, e := range c.entries(v) {
			if n := c.copied(e.value); n != nil {
				m.put(e.key, n)
			}
		}
		return m.node()
	case yaml.SequenceNode:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, i := range c.items(v) {
			if n := c.copied(i); n != nil {
				list.Content = append(list.Content, n)
			}
		}
		return list
	}
	return c.copiedScalar(v)
}

func (c *converter) copiedScalar(v value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: v.node.ShortTag(), Value: v.node.Value}
	switch n.Tag {
	case "!!null":
		n.Value = "null"
		return n
	case "!!str", "!!timestamp":
		text := c.text(v)
		if c.templated(text) {
			c.drops(v, "%.80q is a template, which is not run here; write what comes out of it", text)
			return nil
		}
		return textNode(escape(text))
	case "!!bool", "!!int":
		return n
	case "!!float":
		var f float64
		if err := v.node.Decode(&f); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return n
		}
	}
	c.drops(v, "a value of type %.20q, which JSON does not have", v.node.Tag)
	return nil
}

// escape keeps "${" of the text what it is: profiles put variables in there.
func escape(text string) string {
	if strings.Contains(text, "${var.") || strings.Contains(text, "${system.") || strings.Contains(text, "$${") {
		return strings.ReplaceAll(text, "${", "$${")
	}
	return text
}

// field returns the value of a field of a mapping, nil without it.
func field(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// set puts a value in the place of a field of a mapping.
func set(m *yaml.Node, key string, n *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = n
			return
		}
	}
	m.Content = append(m.Content, textNode(key), n)
}

// merge puts the fields of one mapping over those of another, as Helm does with
// values: mappings are merged, all else is replaced.
func merge(into, from *yaml.Node) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, n := from.Content[i].Value, from.Content[i+1]
		if old := field(into, key); old != nil && old.Kind == yaml.MappingNode && n.Kind == yaml.MappingNode {
			merge(old, n)
		} else {
			set(into, key, n)
		}
	}
}

var keyPattern = regexp.MustCompile(`\A[A-Za-z0-9_/-]+\z`)

// setPath puts a value at a dotted path, "a.b.c". It reports whether the path is one
// that can be: no places in lists, nothing escaped.
func setPath(m *yaml.Node, path string, n *yaml.Node) bool {
	keys := strings.Split(strings.TrimPrefix(path, "."), ".")
	if len(keys) > maxDepth || slices.ContainsFunc(keys, func(k string) bool { return !keyPattern.MatchString(k) }) {
		return false
	}
	for _, k := range keys[:len(keys)-1] {
		next := field(m, k)
		if next == nil || next.Kind != yaml.MappingNode {
			next = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			set(m, k, next)
		}
		m = next
	}
	set(m, keys[len(keys)-1], n)
	return true
}
