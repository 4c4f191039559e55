package profile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/registry"
)

// maxProblems bounds how many problems an error tells.
const maxProblems = 100

// Problem is one thing that is wrong. It is registry.ErrInvalid, and
// registry.ErrNotFound too when something is not where the profile says.
type Problem struct {
	Place
	Field string `json:"field,omitempty"` // "spec.layers[0].name"; "" for the whole file
	Text  string `json:"text"`            // what is wrong, and the cure
	cause error
}

func (p *Problem) Error() string {
	if p.Field == "" {
		return p.String() + ": " + p.Text
	}
	return p.String() + ": " + p.Field + ": " + p.Text
}

// Unwrap is what the problem is.
func (p *Problem) Unwrap() []error {
	if p.cause == nil {
		return []error{registry.ErrInvalid}
	}
	return []error{registry.ErrInvalid, p.cause}
}

// problems are all that was found, in all files.
type problems struct {
	list  []*Problem
	files []string // in the order in which they were first read
	more  int      // that list has no room for
}

func (p *problems) add(problem *Problem) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, problem)
}

func (p *problems) addf(at Place, field, format string, args ...any) {
	p.add(&Problem{Place: at, Field: field, Text: fmt.Sprintf(format, args...)})
}

// err is all problems, by file and line; nil without any.
func (p *problems) err() error {
	slices.SortStableFunc(p.list, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(slices.Index(p.files, a.File), slices.Index(p.files, b.File)), cmp.Compare(a.Line, b.Line))
	})
	var errs []error
	for _, problem := range p.list {
		errs = append(errs, problem)
	}
	if p.more > 0 {
		errs = append(errs, fmt.Errorf("%w: and %d problems more", registry.ErrInvalid, p.more))
	}
	return errors.Join(errs...)
}

// problemOf gives what strictyaml says the form of all problems.
func problemOf(file string, err error) *Problem {
	var at *strictyaml.Error
	if !errors.As(err, &at) {
		return &Problem{Place: Place{File: file}, Text: err.Error()}
	}
	text := at.Text
	if at.Column == 0 {
		text = "not YAML: " + text
	}
	return &Problem{Place: Place{file, at.Line}, Field: at.Path, Text: text}
}
