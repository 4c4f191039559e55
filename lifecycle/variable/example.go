package variable

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// maxExample bounds the characters of an example, and the steps to make one.
const maxExample = 4096

// Example is a value that keeps the rules, to render with where nobody gave one: the
// default, an allowed value, or one that is made. It is nil when none can be made,
// and always for images: an invented one would be looked for.
func (d Declaration) Example() any {
	if d.Default != nil {
		if v, err := d.Check(d.Default); err == nil {
			return v
		}
	}
	for _, candidate := range d.candidates() {
		if v, err := d.Check(candidate); err == nil {
			return v
		}
	}
	return nil
}

// candidates are values of which one may keep the rules.
func (d Declaration) candidates() []any {
	switch d.Type {
	case String:
		return d.texts()
	case Integer, Number:
		list := slices.Clone(d.Allowed)
		if d.Format == "port" {
			list = append(list, 8080)
		}
		for _, bound := range []*float64{d.Min, d.Max} {
			if bound != nil {
				list = append(list, *bound, float64(int64(*bound))+1, float64(int64(*bound))-1)
			}
		}
		return append(list, 1, 0)
	case Boolean:
		return []any{false}
	case List:
		return d.lists()
	case Object:
		return []any{map[string]any{}}
	}
	return nil
}

// texts are candidates for a string, or for an element of a list.
func (d Declaration) texts() []any {
	list := slices.Clone(d.Allowed)
	switch {
	case d.Format == "image":
		return list
	case d.Format != "":
		list = append(list, formats[d.Format].example)
	}
	if d.Pattern != "" {
		return append(list, matching(d.Pattern)...)
	}
	text := "example"
	if d.Min != nil && *d.Min > 0 && *d.Min <= maxExample {
		n := int(*d.Min)
		text = strings.Repeat(text, n/len(text)+1)[:max(n, len("example"))]
	}
	if d.Max != nil && *d.Max >= 0 && *d.Max < float64(len(text)) {
		text = text[:int(*d.Max)]
	}
	return append(list, text)
}

// lists are candidates for a list: as short as can be.
func (d Declaration) lists() []any {
	n := 0
	if d.Min != nil && *d.Min > 0 && *d.Min <= maxExample {
		n = int(*d.Min)
	}
	if n == 0 {
		return []any{[]any{}}
	}
	element := d
	element.Type, element.Min, element.Max = String, nil, nil
	var lists []any
	for _, e := range element.texts() {
		lists = append(lists, slices.Repeat([]any{e}, n))
	}
	return lists
}

// matching are texts that most likely match an expression: short ones first.
func matching(pattern string) (list []any) {
	if _, err := compile(pattern); err != nil {
		return nil
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	tree = tree.Simplify()
	for _, n := range []int{0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128} {
		m := &matcher{rounds: n, steps: maxExample}
		m.write(tree)
		list = append(list, m.text.String())
	}
	return list
}

// matcher writes a text along an expression.
type matcher struct {
	text   strings.Builder
	rounds int // of what may be repeated without end
	steps  int // that are left
}

func (m *matcher) write(re *syntax.Regexp) {
	if m.steps--; m.steps < 0 {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		m.text.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		m.text.WriteRune(member(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		m.text.WriteByte('a')
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			m.write(sub)
		}
	case syntax.OpAlternate:
		m.write(re.Sub[0])
	case syntax.OpStar:
		m.repeat(re.Sub[0], m.rounds)
	case syntax.OpPlus:
		m.repeat(re.Sub[0], max(m.rounds, 1))
	case syntax.OpQuest:
		m.repeat(re.Sub[0], min(m.rounds, 1))
	}
}

func (m *matcher) repeat(re *syntax.Regexp, n int) {
	for i := 0; i < n && m.steps > 0; i++ {
		m.write(re)
	}
}

// member is a character of a class, one that is easily read if it has any.
func member(ranges []rune) rune {
	for _, c := range "a0A" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= c && c <= ranges[i+1] {
				return c
			}
		}
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		if c := max(ranges[i], '!'); c <= ranges[i+1] {
			return c
		}
	}
	if len(ranges) == 0 {
		return 'a' // nothing matches an empty class
	}
	return ranges[0]
}
