package settings

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Field is one row of the table.
type Field struct {
	Name    string // dotted, as in the file
	Default string // as text; of a list, with commas
	Doc     string // what it is, and what is special about it
	Flag    string // of serve, without dashes; empty: there is none
	Reload  bool   // a change of the file comes into force while the appliance runs
	Runtime bool   // administrators may change it while the appliance runs; then Reload, too
	Secret  bool   // a URL whose user and password are not shown
	kind    kind
}

// Fields is the table, in the order in which people should read it.
func Fields() []Field { return slices.Clone(table) }

// FieldOf finds a field by its name.
func FieldOf(name string) (Field, bool) {
	for _, f := range table {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Env is the variable that sets the field: LANDFALL_REGISTRY_ANONYMOUS_PULL.
func (f Field) Env() string {
	var b strings.Builder
	b.WriteString(envPrefix)
	lower := false // the last character was a lower-case letter
	for _, c := range f.Name {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c) && lower:
			b.WriteByte('_')
			fallthrough
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
		lower = unicode.IsLower(c)
	}
	return b.String()
}

const envPrefix = "LANDFALL_"

// Type is what kind of value the field wants, in a word: address, size, time.
func (f Field) Type() string { return f.kind.name }

// Want is what a value looks like, in a few words.
func (f Field) Want() string { return f.kind.want }

// OneOf are the only values; nil when there are too many to list.
func (f Field) OneOf() []string { return slices.Clone(f.kind.oneOf) }

// List reports whether the field has any number of values.
func (f Field) List() bool { return f.kind.list }

// Bool reports whether the field is true or false.
func (f Field) Bool() bool { return f.kind.name == "bool" }

// Check says why a text is no value, or none of the values, of the field.
func (f Field) Check(text string) error { return f.kind.check(text) }

// split cuts the text of all values into each.
func (f Field) split(text string) []string {
	if !f.kind.list {
		return []string{text}
	}
	values := []string{}
	for value := range strings.SplitSeq(text, ",") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

// value is texts as JSON has them: true, "64MiB" or ["a", "b"].
func (f Field) value(texts []string) any {
	switch {
	case f.kind.list:
		return slices.Clone(texts)
	case len(texts) == 0:
		return nil
	case f.Bool():
		return texts[0] == "true"
	}
	return texts[0]
}

// shown is texts without what is secret in them.
func (f Field) shown(texts []string) []string {
	texts = slices.Clone(texts)
	for i, text := range texts {
		if u, err := url.Parse(text); f.Secret && err == nil && u.User != nil {
			u.User = url.User("hidden")
			texts[i] = u.String()
		}
	}
	return texts
}

// canonical is texts in the one form that each value has.
func (f Field) canonical(texts []string) ([]string, error) {
	var c Config
	b := f.kind.bind(&c)
	if err := b.set(texts); err != nil {
		return nil, err
	}
	return b.texts(), nil
}
