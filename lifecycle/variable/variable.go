// Package variable is what a profile leaves open for a site to say: declarations
// of variables with the rules that their values keep, the values, and the places in
// other values where they are put in. It stores nothing.
//
// Nouns. A declaration names a variable and its rules. A value is a string, an
// int64, a float64, a bool, a []any or a map[string]any; nil is a variable without
// one. A placeholder is "${var.NAME}" or "${system.NAME}" in a text; "$${" stands for
// "${", and any other "${" is text like all else.
package variable

import (
	"fmt"

	"github.com/landfall-dev/landfall/registry"
)

// Type is what kind of value a variable takes.
type Type string

// The types.
const (
	String  Type = "string"
	Integer Type = "integer"
	Number  Type = "number"
	Boolean Type = "boolean"
	List    Type = "list"
	Object  Type = "object"
)

// Types are all types, in the order of the manual.
var Types = []Type{String, Integer, Number, Boolean, List, Object}

// Declaration is a variable and its rules. Format, Pattern and Allowed of a list
// are rules of each of its elements.
type Declaration struct {
	Name        string   `json:"name"` // a letter, then letters, digits, "_" and "-"; at most 63 bytes
	Type        Type     `json:"type"`
	Format      string   `json:"format,omitempty"` // of a string or of a list of them, see Formats
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Group       string   `json:"group,omitempty"`
	Default     any      `json:"default,omitempty"`
	Required    bool     `json:"required,omitempty"`  // it has a value: the site gives it when there is no default
	Hidden      bool     `json:"hidden,omitempty"`    // not shown to who fills in a form
	Immutable   bool     `json:"immutable,omitempty"` // once a cluster has it, it stays
	Sensitive   bool     `json:"sensitive,omitempty"` // sealed at rest, never shown
	Pattern     string   `json:"pattern,omitempty"`   // RE2, of the whole text
	Allowed     []any    `json:"allowed,omitempty"`
	Min         *float64 `json:"min,omitempty"` // of a number; characters of a string; elements of a list
	Max         *float64 `json:"max,omitempty"`
}

// RuleError says which rule a value breaks, or which field of a declaration is
// wrong. It is registry.ErrInvalid.
type RuleError struct {
	Variable string
	// Rule is "type", "format", "pattern", "allowed", "min", "max", "size", "required",
	// "immutable" or "unknown"; of Validate, the field.
	Rule string
	Text string // what is wrong and what is wanted; without the value when the variable is sensitive
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("variable %.80s: rule %s: %s", e.Variable, e.Rule, e.Text)
}

// Unwrap is registry.ErrInvalid.
func (e *RuleError) Unwrap() error { return registry.ErrInvalid }

func (d Declaration) fail(rule, format string, args ...any) *RuleError {
	return &RuleError{d.Name, rule, fmt.Sprintf(format, args...)}
}

// shown is a value for a message: never that of a sensitive variable.
func (d Declaration) shown(value any) string {
	text, isText := value.(string)
	switch {
	case d.Sensitive:
		return "the value"
	case isText:
		return fmt.Sprintf("%.80q", text)
	}
	return short(value)
}

// short is the beginning of any value's text.
func short(value any) string { return fmt.Sprintf("%.80s", fmt.Sprint(value)) }
