package profile

import (
	"errors"
	"math"
	"strconv"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

func (d *document) group(f strictyaml.Field) {
	var g Group
	fields := d.object(f,
		text(d, "name", &g.Name, parseGroup),
		d.prose("title", &g.Title, maxTitle),
		d.prose("description", &g.Description, maxProse))
	d.needs(f, fields, "name", "network")
	if d.first(f, fields, "group.", g.Name) {
		d.profile.Groups = append(d.profile.Groups, g)
	}
}

func parseGroup(text string) (string, error) {
	if !variable.ValidName(text) {
		return "", errors.New("want a letter, then letters, digits, _ and -, at most 63")
	}
	return text, nil
}

// first reports whether a name is there and nobody before has it.
func (d *document) first(f strictyaml.Field, fields map[string]strictyaml.Field, kind, name string) bool {
	if name == "" {
		return false // told already
	}
	if at, twice := d.at[kind+name]; twice {
		d.fail(fields["name"], "%s is there twice, first at %s; give it another name", name, at)
		return false
	}
	d.at[kind+name] = d.place(f)
	return true
}

func (d *document) variable(f strictyaml.Field) {
	v := variable.Declaration{Type: variable.String}
	keep := func(strictyaml.Field) {} // read below: the type says how
	fields := d.object(f,
		text(d, "name", &v.Name, parseGroup),
		text(d, "type", &v.Type, oneOf(variable.Types...)),
		text(d, "format", &v.Format, oneOf(variable.Formats()...)),
		d.prose("title", &v.Title, maxTitle),
		d.prose("description", &v.Description, maxProse),
		text(d, "group", &v.Group, parseGroup),
		part{"default", keep},
		d.flag("required", &v.Required), d.flag("hidden", &v.Hidden),
		d.flag("immutable", &v.Immutable), d.flag("sensitive", &v.Sensitive),
		d.prose("pattern", &v.Pattern, maxProse),
		part{"allowed", keep},
		d.bound("min", &v.Min), d.bound("max", &v.Max))
	d.needs(f, fields, "name", "domain")
	before := len(d.list)
	if f, ok := fields["default"]; ok {
		v.Default = d.literal(f, v.Type)
	}
	if f, ok := fields["allowed"]; ok {
		element := v.Type
		if element == variable.List {
			element = ""
		}
		d.each("allowed", func(f strictyaml.Field) { v.Allowed = append(v.Allowed, d.literal(f, element)) }).read(f)
	}
	if g, ok := fields["group"]; ok && v.Group != "" {
		d.uses = append(d.uses, use{d.place(g), g.Path(), "group." + v.Group})
	}
	if !d.first(f, fields, "var.", v.Name) {
		return
	}
	if len(d.list) == before {
		d.judge(f, fields, v)
	}
	d.profile.Variables = append(d.profile.Variables, v)
}

// judge tells what is wrong with a declaration at the fields that it is wrong in.
func (d *document) judge(f strictyaml.Field, fields map[string]strictyaml.Field, v variable.Declaration) {
	errs := []error{v.Validate()}
	if many, ok := errs[0].(interface{ Unwrap() []error }); ok {
		errs = many.Unwrap()
	}
	for _, err := range errs {
		var broken *variable.RuleError
		if !errors.As(err, &broken) {
			continue
		}
		if at, ok := fields[broken.Rule]; ok {
			d.fail(at, "%s", broken.Text)
		} else {
			d.fail(f, "%s: %s", broken.Rule, broken.Text)
		}
	}
}

// bound is min or max.
func (d *document) bound(name string, to **float64) part {
	return part{name, func(f strictyaml.Field) {
		n, err := strictyaml.Text(f, func(text string) (float64, error) {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
				return 0, errors.New("a number is wanted")
			}
			return n, nil
		})
		if !d.wrong(err) {
			*to = &n
		}
	}}
}

// literal is a value that stands for itself. What a string has is taken as it is
// written, so that 1.10 needs no quotes.
func (d *document) literal(f strictyaml.Field, kind variable.Type) any {
	var v any
	var err error
	if kind == variable.String {
		v, err = f.Prose(MaxSize)
	} else {
		v, err = d.free(f, nil)
	}
	if err == nil && v == nil {
		err = f.Errorf("it has no value; leave it out")
	}
	if err == nil && len(variable.Used(v)) > 0 {
		err = f.Errorf("no placeholders here: the value of a variable stands for itself; values of charts may have them")
	}
	if d.wrong(err) {
		return nil
	}
	return v
}
