package retention

import (
	"errors"
	"regexp"
	"regexp/syntax"
)

// maxProgram bounds what all expressions of a policy compile to. Without it a
// policy of 1 MiB can take gigabytes: a{1000} is a thousand instructions.
// It is room for some thousand globs and patterns.
const maxProgram = 250_000

// fixedCost is what an expression costs that has next to no instructions.
const fixedCost = 20

var errTooLarge = errors.New("the globs and patterns up to here are too large together; take some out or write them shorter")

// compiler turns a policy's expressions into matchers as long as there is room.
type compiler struct {
	room int // instructions and ranges of characters that are left
}

// compile is regexp.Compile within the room.
func (c *compiler) compile(expression string) (*regexp.Regexp, error) {
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
