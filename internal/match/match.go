// Package match turns what people write to choose names and tags, globs and
// regular expressions, into matchers, within a bound on the memory that one
// file of them may take.
package match

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxProgram bounds what all expressions of a file compile to. Without it a
// file of 1 MiB can take gigabytes: a{1000} is a thousand instructions.
// It is room for some thousand globs and patterns.
const maxProgram = 250_000

// fixedCost is what an expression costs that has next to no instructions.
const fixedCost = 20

var errTooLarge = errors.New("the globs and patterns up to here are too large together; take some out or write them shorter")

// Compiler turns the expressions of one file into matchers as long as there is
// room.
type Compiler struct {
	room int // instructions and ranges of characters that are left
}

// NewCompiler makes a compiler for one file.
func NewCompiler() *Compiler { return &Compiler{room: maxProgram} }

// compile is regexp.Compile within the room.
func (c *Compiler) compile(expression string) (*regexp.Regexp, error) {
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	c.room -= fixedCost + len(program.Inst)
	for _, i := range program.Inst {
		c.room -= len(i.Rune)
	}
	if c.room < 0 {
		return nil, errTooLarge
	}
	return regexp.Compile(expression)
}

// Glob matches names that have elements between slashes: * stands for any part
// of one element, also none; ** stands alone between slashes for any number of
// elements, also none. So "team/**" is team with all below it.
type Glob struct {
	text string
	re   *regexp.Regexp
}

// Glob reads a glob. It refuses what check refuses of an example that the glob
// matches: what no name can be.
func (c *Compiler) Glob(text string, check func(example string) error) (Glob, error) {
	elements := strings.Split(text, "/")
	expression := `\A`
	for i, e := range elements {
		if e == "**" {
			expression += `(?:[^/]+/)*`
			elements[i] = "*"
			continue
		}
		if strings.Contains(e, "**") {
			return Glob{}, errors.New("** stands alone between slashes")
		}
		expression += strings.ReplaceAll(regexp.QuoteMeta(e), `\*`, `[^/]*`) + "/"
	}
	// A digit can stand wherever a name has room, in a port too.
	if err := check(strings.ReplaceAll(strings.Join(elements, "/"), "*", "0")); err != nil {
		return Glob{}, err
	}
	re, err := c.compile(expression + `\z`)
	return Glob{text, re}, err
}

// Match closes every element with a slash, as the expression does.
func (g Glob) Match(name string) bool { return g.re.MatchString(name + "/") }

// String is the glob as it was written.
func (g Glob) String() string { return g.text }

// Pattern is an RE2 regular expression over tags. It matches the whole tag:
// "latest" is not "latest-alpine". One that starts with ^ or ends in $ says
// itself what it is anchored to, so that ^v1\. are the tags that start so;
// read as a whole tag it would match none of them.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

// Pattern reads a pattern.
func (c *Compiler) Pattern(text string) (Pattern, error) {
	if text == "" {
		return Pattern{}, errors.New("no tag is empty")
	}
	// By itself first: "a)(b" is no expression, whatever it is put into.
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return Pattern{}, err
	}
	expression := text
	if !strings.HasPrefix(text, "^") && !strings.HasSuffix(text, "$") {
		expression = `\A(?:` + text + `)\z`
	}
	re, err := c.compile(expression)
	return Pattern{text, re}, err
}

// Match reports whether the pattern matches a tag.
func (p Pattern) Match(tag string) bool { return p.re.MatchString(tag) }

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }
