package convert

import (
	"regexp"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// zarfDeclared are the variables of a package, by their names.
type zarfDeclared struct{ names []string }

// zarfVariable is one, or a constant.
type zarfVariable struct {
	name, description, text, pattern string
	sensitive                        bool
}

// zarfVariables declares variables and constants.
func (c *converter) zarfVariables(d value) *zarfDeclared {
	declared := &zarfDeclared{}
	for _, e := range c.entries(d) {
		switch e.key {
		case "variables":
			c.declare(e.value, "default", declared)
		case "constants":
			c.declare(e.value, "value", declared)
		}
	}
	return declared
}

// declare reads a list of declarations, whose value is in the field of that name.
func (c *converter) declare(v value, named string, declared *zarfDeclared) {
	for _, i := range c.items(v) {
		var z zarfVariable
		var at value
		c.fields(i, map[string]reader{
			"name": c.into(&z.name), "description": c.into(&z.description), "pattern": c.into(&z.pattern),
			named:       func(v value) { z.text, _ = c.filled(v); at = v },
			"sensitive": func(v value) { z.sensitive, _ = c.boolean(v) },
			"type": func(v value) {
				if text, ok := c.filled(v); ok && text != "raw" {
					c.drops(v, "%.40q: the variable has the text itself, not the path of a file", text)
				}
			},
		}, map[string]string{
			"prompt":     "nobody is asked: a site gives values before it is needed",
			"autoIndent": "templates of Zarf's are not run here",
		})
		if !declared.fits(c, i, z.name) {
			continue
		}
		if z.sensitive && z.text != "" {
			c.drops(at, "the default of a sensitive variable is no secret any more; the site has to give a value")
			z.text = ""
		}
		c.add(i, z, named == "value")
		declared.names = append(declared.names, z.name)
		c.maps(i, "variable %s", z.name)
		c.drops(i, "where files have the marker of %s for Zarf to fill in, it is not filled in; charts take variables by their values", z.name)
	}
}

// add writes a declaration. A constant is hidden, and stays what it is.
func (c *converter) add(v value, z zarfVariable, constant bool) {
	m := mapping{}
	m.text("name", z.name)
	m.text("type", string(variable.String))
	m.text("description", z.description)
	if z.text != "" {
		m.text("default", z.text)
	}
	m.yes("hidden", constant)
	m.yes("immutable", constant)
	m.yes("sensitive", z.sensitive)
	switch re, err := regexp.Compile(`\A(?:` + z.pattern + `)\z`); {
	case z.pattern == "":
	case err != nil || z.text != "" && !re.MatchString(z.text):
		c.drops(v, "pattern %.80q: it is no regular expression of the whole text here, or the default does not match", z.pattern)
	default:
		m.text("pattern", z.pattern)
	}
	c.profile.variables = append(c.profile.variables, m.node())
}

// fits reports whether a variable can be declared under a name.
func (d *zarfDeclared) fits(c *converter, v value, name string) bool {
	switch {
	case !variable.ValidName(name):
		c.fail(v, "variable %.80q: want a letter, then letters, digits and _", name)
	case slices.Contains(d.names, name):
		c.drops(v, "left out: variable %s is there already", name)
	default:
		return true
	}
	return false
}

// has reports whether a variable can be used, and declares one that is not.
func (d *zarfDeclared) has(c *converter, v value, name, description string) bool {
	if slices.Contains(d.names, name) {
		return true
	}
	if !d.fits(c, v, name) {
		return false
	}
	c.add(v, zarfVariable{name: name, description: description}, false)
	d.names = append(d.names, name)
	c.maps(v, "variable %s", name)
	return true
}
