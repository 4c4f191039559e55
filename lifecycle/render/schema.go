package render

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// checkSchemas holds values against the values.schema.json of a chart and of its
// subcharts, as Helm does, but reads no schema that is elsewhere.
func checkSchemas(c *chart.Chart, values any) error {
	table, _ := values.(map[string]any)
	if v, ok := values.(interface{ AsMap() map[string]any }); ok {
		table = v.AsMap()
	}
	if problems := checkSchema("values", c, table); len(problems) > 0 {
		return errors.New(shorten(strings.Join(problems, "; "), 4000))
	}
	return nil
}

func checkSchema(at string, c *chart.Chart, values map[string]any) (problems []string) {
	if len(c.Schema) > 0 {
		if err := validate(at, c.Schema, values); err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, sub := range c.Dependencies() {
		name := at + "." + sub.Name()
		switch of := values[sub.Name()].(type) {
		case nil:
		case map[string]any:
			problems = append(problems, checkSchema(name, sub, of)...)
		default:
			problems = append(problems, name+": fields are wanted, the values of a chart")
		}
	}
	return problems
}

// validate names the fields that break a schema.
func validate(at string, schema []byte, values map[string]any) error {
	const self = "file:///values.schema.json"
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return fmt.Errorf("values.schema.json of %s: %w", at, err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(elsewhere{at})
	if err := compiler.AddResource(self, document); err != nil {
		return fmt.Errorf("values.schema.json of %s: %w", at, err)
	}
	compiled, err := compiler.Compile(self)
	if err != nil {
		return fmt.Errorf("values.schema.json of %s: %w", at, err)
	}
	if err := compiled.Validate(values); err != nil {
		return errors.New(broken(at, err))
	}
	return nil
}

// broken turns the library's lines, "- at '/image/tag': got number, want string",
// into "values.image.tag: got number, want string".
func broken(at string, err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "- ")
		if place, text, ok := strings.Cut(line, "': "); ok && strings.HasPrefix(place, "at '") {
			parts = append(parts, at+strings.ReplaceAll(place[len("at '"):], "/", ".")+": "+text)
		}
	}
	if len(parts) == 0 {
		return at + ": " + err.Error()
	}
	return shorten(strings.Join(parts, "; "), 4000) + " (values.schema.json)"
}

// elsewhere stands for all schemas that are not in the chart: they allow everything.
type elsewhere struct{ of string }

func (e elsewhere) Load(url string) (any, error) {
	log.Printf("values.schema.json of %s refers to %.200s, which is not read; what it asks for is not checked", e.of, url)
	return true, nil
}
