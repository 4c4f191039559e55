package variable

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// maxAllowed bounds a list of allowed values.
const maxAllowed = 1000

var namePattern = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_-]{0,62}\z`)

// ValidName reports whether a variable can be called so.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// Validate proves the declaration itself: its rules can be kept, and the default
// and the allowed values keep them. All that is wrong is in the error, each a
// *RuleError whose Rule is the field.
func (d Declaration) Validate() error {
	var wrong []error
	fail := func(field, format string, args ...any) {
		wrong = append(wrong, d.fail(field, format, args...))
	}
	if !ValidName(d.Name) {
		fail("name", "%.80q: want a letter, then letters, digits, _ and -, at most 63", d.Name)
	}
	if !slices.Contains(Types, d.Type) {
		fail("type", "%.80q: want one of %s", string(d.Type), join(Types))
		return errors.Join(wrong...)
	}
	d.validateFormat(fail)
	d.validatePattern(fail)
	d.validateBounds(fail)
	if len(wrong) > 0 {
		return errors.Join(wrong...) // values are judged by rules that are right
	}
	d.validateAllowed(fail)
	d.validateDefault(fail)
	return errors.Join(wrong...)
}

// failer takes what is wrong with a field.
type failer func(field, format string, args ...any)

func join[T ~string](list []T) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, string(e))
	}
	return strings.Join(texts, ", ")
}

func (d Declaration) validateFormat(fail failer) {
	if d.Format == "" {
		return
	}
	_, known := formats[d.Format]
	switch {
	case !known:
		fail("format", "%.80q: want one of %s", d.Format, join(Formats()))
	case d.Type == String || d.Type == List || d.Type == Integer && d.Format == "port":
	default:
		fail("format", "%s is of a string or of a list of them, and the type is %s", d.Format, d.Type)
	}
}

func (d Declaration) validatePattern(fail failer) {
	if d.Pattern == "" {
		return
	}
	if d.Type != String && d.Type != List {
		fail("pattern", "it is of a string or of a list of them, and the type is %s", d.Type)
	} else if _, err := compile(d.Pattern); err != nil {
		fail("pattern", "%v", err)
	}
}

func (d Declaration) validateBounds(fail failer) {
	for i, bound := range []*float64{d.Min, d.Max} {
		field := []string{"min", "max"}[i]
		switch {
		case bound == nil:
		case d.Type == Boolean || d.Type == Object:
			fail(field, "there is none of type %s", d.Type)
		case math.IsNaN(*bound) || math.IsInf(*bound, 0):
			fail(field, "it is no finite number")
		case (d.Type == String || d.Type == List) && (*bound < 0 || *bound != math.Trunc(*bound)):
			fail(field, "%v: a count of characters or elements is wanted", *bound)
		}
	}
	if d.Min != nil && d.Max != nil && *d.Min > *d.Max {
		fail("min", "%v is more than max, %v", *d.Min, *d.Max)
	}
}

// validateAllowed judges each allowed value by the other rules.
func (d Declaration) validateAllowed(fail failer) {
	switch {
	case len(d.Allowed) == 0:
		return
	case d.Sensitive:
		fail("allowed", "the values of a sensitive variable are nobody's to read; take them out")
		return
	case d.Type == Boolean || d.Type == Object:
		fail("allowed", "there are none of type %s", d.Type)
		return
	case len(d.Allowed) > maxAllowed:
		fail("allowed", "more than %d", maxAllowed)
		return
	}
	one := d
	one.Allowed = nil
	if d.Type == List {
		one.Min, one.Max = nil, nil
	}
	var seen []any
	for i, a := range d.Allowed {
		value := a
		if d.Type == List {
			value = []any{a}
		}
		v, err := one.Check(value)
		switch {
		case err != nil:
			fail("allowed", "value %d: %s", i+1, reason(err))
		case slices.ContainsFunc(seen, func(s any) bool { return reflect.DeepEqual(s, v) }):
			fail("allowed", "value %d: %s is there twice", i+1, short(a))
		}
		seen = append(seen, v)
	}
}

func (d Declaration) validateDefault(fail failer) {
	if d.Default == nil {
		return
	}
	if d.Sensitive {
		fail("default", "a sensitive variable has none: everybody who has the profile could read it; make it required")
		return
	}
	if _, err := d.Check(d.Default); err != nil {
		fail("default", "%s", reason(err))
	}
}

// reason is a broken rule without the variable's name.
func reason(err error) string {
	var broken *RuleError
	if errors.As(err, &broken) {
		return fmt.Sprintf("it breaks the rule %s: %s", broken.Rule, broken.Text)
	}
	return err.Error()
}
