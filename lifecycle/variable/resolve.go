package variable

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/registry"
)

// Parse reads and checks a value as it stands on a command line: lists and objects
// as JSON, or as YAML on one line ("[a, b]").
func (d Declaration) Parse(text string) (any, error) {
	var value any
	var err error
	switch d.Type {
	case Integer:
		value, err = strconv.ParseInt(text, 10, 64)
	case Number:
		value, err = strconv.ParseFloat(text, 64)
	case Boolean:
		if value = text == "true"; text != "true" && text != "false" {
			err = registry.ErrInvalid
		}
	case List, Object:
		value, err = strictyaml.ReadFree([]byte(text), registry.ErrInvalid, strictyaml.Limits{})
	default:
		value = text
	}
	if err != nil {
		return nil, d.fail("type", "%s is not %s", d.shown(text), articles[d.Type])
	}
	return d.Check(value)
}

// Resolve gives every declared variable its value: the given one, else the default,
// else nil. What is given as nil counts as not given. All that is wrong is in the
// error, in the order of the list: each a *RuleError, of unknown names too.
func Resolve(list []Declaration, given map[string]any) (map[string]any, error) {
	values := map[string]any{}
	var wrong []error
	for _, d := range list {
		value := given[d.Name]
		if value == nil {
			value = d.Default
		}
		if value == nil {
			values[d.Name] = nil
			if d.Required {
				wrong = append(wrong, d.fail("required", "it has no value and no default; give it one"))
			}
			continue
		}
		v, err := d.Check(value)
		if err != nil {
			wrong = append(wrong, err)
		}
		values[d.Name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, known := values[name]; !known {
			wrong = append(wrong, Unknown(list, name))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return values, nil
}

// Unknown is the *RuleError for a name that nobody declares.
func Unknown(list []Declaration, name string) error {
	return &RuleError{name, "unknown", "no such variable (" + known(list) + ")"}
}

// known are the names of declarations, for a message.
func known(list []Declaration) string {
	var names []string
	for i, d := range list {
		if i == 30 {
			names = append(names, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		names = append(names, d.Name)
	}
	if names == nil {
		return "none is declared"
	}
	return strings.Join(names, ", ")
}
