package variable

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Bounds of values and rules.
const (
	maxText    = 1 << 20 // bytes of one text
	maxDepth   = 64      // lists and objects within each other
	maxValues  = 100_000 // in one list or object, all levels together
	maxPattern = 1024    // bytes of an expression
	maxProgram = 10_000  // instructions and ranges of characters that it compiles to
	// maxExact is the greatest integer below which a float64 has all integers.
	maxExact = 1 << 53
)

// Check proves a value against all rules but Required, and returns it as one of the
// types that the package names: 3.0 is an integer's int64(3), and a number is always
// a float64. A broken rule is a *RuleError.
func (d Declaration) Check(value any) (any, error) {
	v, err := d.typed(value)
	if err != nil {
		return nil, err
	}
	parts := []any{v}
	if list, ok := v.([]any); ok && d.Type == List {
		parts = list
	}
	for _, check := range []func([]any) error{d.checkFormat, d.checkPattern, d.checkAllowed} {
		if err := check(parts); err != nil {
			return nil, err
		}
	}
	if err := d.checkBounds(v); err != nil {
		return nil, err
	}
	return v, nil
}

// articles are the types as a sentence has them.
var articles = map[Type]string{String: "a text", Integer: "a whole number", Number: "a number", Boolean: "true or false", List: "a list", Object: "an object"}

// typed is the value as the type wants it.
func (d Declaration) typed(value any) (any, error) {
	room := maxValues
	v, err := normal(value, maxDepth, &room)
	if err != nil {
		return nil, d.fail("size", "%v", err)
	}
	switch x := v.(type) {
	case string:
		if d.Type == String {
			return x, nil
		}
	case bool:
		if d.Type == Boolean {
			return x, nil
		}
	case int64:
		if d.Type == Integer {
			return x, nil
		}
		if d.Type == Number {
			return float64(x), nil
		}
	case float64:
		if d.Type == Number {
			return x, nil
		}
	case []any:
		if d.Type == List {
			return x, nil
		}
	case map[string]any:
		if d.Type == Object {
			return x, nil
		}
	}
	wanted, known := articles[d.Type]
	if !known {
		return nil, d.fail("type", "there is no type %q", d.Type)
	}
	if d.Type == String {
		wanted += "; put it in quotes"
	}
	return nil, d.fail("type", "%s is not %s", d.shown(v), wanted)
}

// normal gives equal values one form: every whole number that a float64 has exactly
// is an int64.
func normal(value any, depth int, room *int) (any, error) {
	*room--
	if *room < 0 || depth < 0 {
		return nil, fmt.Errorf("more than %d values, or more than %d levels", maxValues, maxDepth)
	}
	switch v := value.(type) {
	case nil, bool:
		return v, nil
	case string:
		if len(v) > maxText || !utf8.ValidString(v) {
			return nil, fmt.Errorf("a text of more than %d bytes, or not UTF-8", maxText)
		}
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, errors.New("a number beyond what 64 bits hold")
		}
		return normal(f, depth, room)
	case []any:
		return normalList(v, depth, room)
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, e := range v {
			n, err := normal(e, depth-1, room)
			if err != nil {
				return nil, err
			}
			object[key] = n
		}
		return object, nil
	}
	return normalOther(reflect.ValueOf(value), depth, room)
}

func normalList(list []any, depth int, room *int) (any, error) {
	values := make([]any, 0, len(list))
	for _, e := range list {
		n, err := normal(e, depth-1, room)
		if err != nil {
			return nil, err
		}
		values = append(values, n)
	}
	return values, nil
}

// normalOther is normal of numbers of other sizes, and of lists of one type.
func normalOther(v reflect.Value, depth int, room *int) (any, error) {
	switch {
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint():
		if u := v.Uint(); u <= math.MaxInt64 {
			return int64(u), nil
		}
		return float64(v.Uint()), nil
	case v.CanFloat():
		f := v.Float()
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return nil, errors.New("not a finite number")
		case f == math.Trunc(f) && math.Abs(f) <= maxExact:
			return int64(f), nil
		}
		return f, nil
	case v.Kind() == reflect.Slice:
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, v.Index(i).Interface())
		}
		return normalList(list, depth, room)
	}
	return nil, fmt.Errorf("a value of Go's type %s", v.Type())
}

func (d Declaration) checkFormat(parts []any) error {
	if d.Format == "" {
		return nil
	}
	format, known := formats[d.Format]
	if !known {
		return d.fail("format", "there is no format %q", d.Format)
	}
	for _, part := range parts {
		text, ok := part.(string)
		if !ok && d.Type == Integer {
			text, ok = fmt.Sprint(part), true
		}
		if !ok || !format.is(text) {
			return d.fail("format", "%s is not %s", d.shown(part), format.what)
		}
	}
	return nil
}

func (d Declaration) checkPattern(parts []any) error {
	if d.Pattern == "" {
		return nil
	}
	re, err := compile(d.Pattern)
	if err != nil {
		return d.fail("pattern", "%v", err)
	}
	for _, part := range parts {
		if text, ok := part.(string); !ok || !re.MatchString(text) {
			return d.fail("pattern", "%s does not match %s", d.shown(part), d.Pattern)
		}
	}
	return nil
}

// compile reads an expression of the whole text.
func compile(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	// By itself first: "a)(b" is no expression, whatever it is put into.
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	size := len(program.Inst)
	for _, i := range program.Inst {
		size += len(i.Rune)
	}
	if size > maxProgram {
		return nil, errors.New("too large once its repetitions are written out; repeat less")
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

func (d Declaration) checkAllowed(parts []any) error {
	if len(d.Allowed) == 0 {
		return nil
	}
	for _, part := range parts {
		if !d.allows(part) {
			return d.fail("allowed", "%s is none of %s", d.shown(part), d.choices())
		}
	}
	return nil
}

func (d Declaration) allows(part any) bool {
	for _, a := range d.Allowed {
		room := maxValues
		a, err := normal(a, maxDepth, &room)
		if i, ok := a.(int64); ok && d.Type == Number {
			a = float64(i)
		}
		if err == nil && reflect.DeepEqual(a, part) {
			return true
		}
	}
	return false
}

func (d Declaration) choices() string {
	var list []string
	for i, a := range d.Allowed {
		if i == 20 {
			list = append(list, fmt.Sprintf("and %d more", len(d.Allowed)-i))
			break
		}
		list = append(list, short(a))
	}
	return strings.Join(list, ", ")
}

// checkBounds is min and max.
func (d Declaration) checkBounds(value any) error {
	var n float64
	unit := ""
	switch v := value.(type) {
	case int64:
		n = float64(v)
	case float64:
		n = v
	case string:
		n, unit = float64(utf8.RuneCountInString(v)), " characters"
	case []any:
		n, unit = float64(len(v)), " elements"
	default:
		return nil
	}
	is := fmt.Sprintf("%v%s", n, unit)
	if d.Sensitive {
		is = "what the value is"
	}
	switch {
	case d.Min != nil && n < *d.Min:
		return d.fail("min", "%s is too little; at least %v%s is wanted", is, *d.Min, unit)
	case d.Max != nil && n > *d.Max:
		return d.fail("max", "%s is too much; at most %v%s is wanted", is, *d.Max, unit)
	}
	return nil
}
