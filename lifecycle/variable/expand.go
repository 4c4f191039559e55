package variable

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Systems are the names that a placeholder ${system.NAME} may have: what is known
// without the profile saying it.
var Systems = []string{"cluster.name", "profile.name", "profile.version", "kubernetes.version", "kubernetes.distribution", "site.registry"}

// maxExpanded bounds what an expansion makes, in bytes; a value that is no text
// counts as a few.
const (
	maxExpanded = 32 << 20
	valueCost   = 16
)

// piece is a part of a text: the name of a placeholder, or plain text.
type piece struct {
	text string
	name string // "var.NAME" or "system.NAME"
}

// pieces takes a text apart.
func pieces(text string) (list []piece, err error) {
	var plain strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			plain.WriteString(text)
			return append(list, piece{text: plain.String()}), nil
		}
		rest := text[i:]
		switch {
		case i > 0 && text[i-1] == '$':
			plain.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		case !strings.HasPrefix(rest, "${var.") && !strings.HasPrefix(rest, "${system."):
			plain.WriteString(text[:i+2])
			text = text[i+2:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, fmt.Errorf("%w: %.40q is not closed; write $${ where ${ is meant", registry.ErrInvalid, rest)
		}
		name := rest[len("${"):end]
		if err := validPlaceholder(name); err != nil {
			return nil, err
		}
		plain.WriteString(text[:i])
		list = append(list, piece{text: plain.String()}, piece{name: name})
		plain.Reset()
		text = rest[end+1:]
	}
}

func validPlaceholder(name string) error {
	if name, ok := strings.CutPrefix(name, "var."); ok {
		if !ValidName(name) {
			return fmt.Errorf("%w: ${var.%.80s}: not a name that a variable can have", registry.ErrInvalid, name)
		}
		return nil
	}
	name = strings.TrimPrefix(name, "system.")
	if !slices.Contains(Systems, name) {
		return fmt.Errorf("%w: ${system.%.80s}: no such system value (%s)", registry.ErrInvalid, name, strings.Join(Systems, ", "))
	}
	return nil
}

// Placeholders are the names in one text, "var.NAME" and "system.NAME", in its
// order. One that is not closed or cannot be is ErrInvalid; whether its variable is
// declared is not known here.
func Placeholders(text string) (names []string, err error) {
	list, err := pieces(text)
	for _, p := range list {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names, err
}

// Used are the names of all placeholders in the texts of a value, "var.NAME" and
// "system.NAME", ascending, once. Keys are not looked at.
func Used(value any) []string {
	used := map[string]bool{}
	use(value, used)
	return slices.Sorted(maps.Keys(used))
}

func use(value any, used map[string]bool) {
	switch v := value.(type) {
	case string:
		names, _ := Placeholders(v)
		for _, name := range names {
			used[name] = true
		}
	case []any:
		for _, e := range v {
			use(e, used)
		}
	case map[string]any:
		for _, e := range v {
			use(e, used)
		}
	}
}

// Expand puts values in the place of placeholders. A text that is one placeholder
// alone becomes the value, with its type; in a longer text stand texts, numbers, true
// and false, but no lists and objects. A variable whose value is nil, alone, takes its
// field or element out with it, so that what a chart has there counts; in a longer
// text it is an error. Values that are put in are not looked at again. Keys stay as
// they are. vars is what Resolve made; system is by names of Systems.
//
// Errors are ErrInvalid and name the field and the placeholder. The result shares
// nothing with what it was made of.
func Expand(value any, vars, system map[string]any) (any, error) {
	x := &expander{vars: vars, system: system, room: maxExpanded}
	return x.value("", value)
}

type expander struct {
	vars, system map[string]any
	room         int
}

func (x *expander) take(n int) error {
	if x.room -= n; x.room < 0 {
		return fmt.Errorf("%w: more than %d bytes once all placeholders are filled in", registry.ErrInvalid, maxExpanded)
	}
	return nil
}

func (x *expander) value(path string, value any) (any, error) {
	if err := x.take(valueCost); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case string:
		return x.text(path, v)
	case []any:
		list := make([]any, 0, len(v))
		for i, e := range v {
			n, err := x.value(fmt.Sprintf("%s[%d]", path, i), e)
			if err != nil {
				return nil, err
			}
			if n != nil || e == nil {
				list = append(list, n)
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			n, err := x.value(strings.TrimPrefix(path+"."+key, "."), v[key])
			if err != nil {
				return nil, err
			}
			if n != nil || v[key] == nil {
				object[key] = n
			}
		}
		return object, nil
	}
	return value, nil
}

func (x *expander) text(path, text string) (any, error) {
	if !strings.Contains(text, "${") {
		return text, x.take(len(text))
	}
	fail := func(err error) error {
		if path != "" {
			err = fmt.Errorf("%.200s: %w", path, err)
		}
		return err
	}
	list, err := pieces(text)
	if err != nil {
		return nil, fail(err)
	}
	if len(list) == 3 && list[0].text == "" && list[2].text == "" {
		v, err := x.lookUp(list[1].name)
		if err == nil {
			v, err = x.copied(v)
		}
		if err != nil {
			return nil, fail(err)
		}
		return v, nil
	}
	var b strings.Builder
	for _, p := range list {
		part := p.text
		if p.name != "" {
			if part, err = x.inText(p.name); err != nil {
				return nil, fail(err)
			}
		}
		if err := x.take(len(part)); err != nil {
			return nil, fail(err)
		}
		b.WriteString(part)
	}
	return b.String(), nil
}

func (x *expander) lookUp(name string) (any, error) {
	from, key := x.vars, strings.TrimPrefix(name, "var.")
	if system, ok := strings.CutPrefix(name, "system."); ok {
		from, key = x.system, system
	}
	v, known := from[key]
	switch {
	case known:
		return v, nil
	case strings.HasPrefix(name, "system."):
		return nil, fmt.Errorf("%w: ${%s} has no value here", registry.ErrInvalid, name)
	}
	return nil, fmt.Errorf("%w: ${%s}: no such variable", registry.ErrInvalid, name)
}

// inText is a value within a longer text.
func (x *expander) inText(name string) (string, error) {
	v, err := x.lookUp(name)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case nil:
		return "", fmt.Errorf("%w: ${%s} has no value, and stands in a longer text; give it one, or a default", registry.ErrInvalid, name)
	}
	return "", fmt.Errorf("%w: ${%s} is a list or an object, and stands in a longer text; let it stand alone", registry.ErrInvalid, name)
}

// copied is a value of its own, placeholders in it left alone.
func (x *expander) copied(value any) (any, error) {
	if err := x.take(valueCost); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case string:
		return v, x.take(len(v))
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			n, err := x.copied(e)
			if err != nil {
				return nil, err
			}
			list = append(list, n)
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, e := range v {
			n, err := x.copied(e)
			if err != nil {
				return nil, err
			}
			object[key] = n
		}
		return object, nil
	}
	return value, nil
}
