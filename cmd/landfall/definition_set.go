package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

func newDefinitionSet() *cobra.Command {
	in := &valueInput{}
	c := &cobra.Command{
		Use:   "set DEF [NAME=VALUE]...",
		Short: "Say what the variables of a definition are at this site",
		Long: "Give variables of a definition values of the site's own. DEF is a file, NAME:VERSION or NAME; the values count for all\n" +
			"versions of the name. Lists and objects are written as JSON or YAML: 'hosts=[a, b]'. When one value breaks a rule of the\n" +
			"definition, nothing is changed. Sensitive values are not taken from the command line, which others can read: they come\n" +
			"from a file, or with '-' from standard input, without the line's end.",
		Args: cobra.MinimumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringArrayVar(&in.unset, "unset", nil, "let this `variable` have its default again; may be repeated")
	c.Flags().StringVar(&in.from, "from-file", "", "take values from this YAML `file`, variables by name")
	c.Flags().StringArrayVar(&in.files, "value-file", nil, "`NAME=FILE`: the variable's value is in the file, '-' for standard input; may be repeated")
	asJSON := jsonFlag(c)
	c.RunE = flags.values(func(c *cobra.Command, s *valueSite, args []string) error {
		d, err := s.definition(c.Context(), args[0])
		if err != nil {
			return err
		}
		p, err := in.patch(d, args[1:], c.InOrStdin())
		if err != nil {
			return err
		}
		l, err := s.set(c.Context(), d, p)
		if err != nil {
			return err
		}
		return printValueListing(c, l, *asJSON)
	})
	return c
}

// valueInput is where new values come from.
type valueInput struct {
	unset []string
	from  string
	files []string // NAME=FILE
}

// maxValueFile bounds a file with values, in bytes.
const maxValueFile = 1 << 20

// patch is what is to change.
func (in *valueInput) patch(d *valuesOf, pairs []string, stdin io.Reader) (p sitevalues.Patch, err error) {
	p = sitevalues.Patch{Set: map[string]any{}, Unset: in.unset}
	if len(pairs)+len(in.unset)+len(in.files) == 0 && in.from == "" {
		return p, usageError{errors.New("nothing is to change: want NAME=VALUE, --unset, --from-file or --value-file")}
	}
	declared := map[string]variable.Declaration{}
	for _, v := range d.Variables {
		declared[v.Name] = v
	}
	if in.from != "" {
		if err := in.readValues(p.Set); err != nil {
			return p, err
		}
	}
	var errs []error
	put := func(name string, parse func(variable.Declaration) (any, error)) {
		v, ok := declared[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %w: definition %s %s has no such variable", name, registry.ErrInvalid, d.Name, d.Version))
			return
		}
		value, err := parse(v)
		if p.Set[name] = value; err != nil {
			errs = append(errs, err)
		}
	}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			return p, usageError{fmt.Errorf("%q: want NAME=VALUE", pair)}
		}
		if declared[name].Sensitive {
			return p, usageError{fmt.Errorf("%s is sensitive, and others can read a command line: use --value-file %s=FILE, or --value-file %s=- for standard input", name, name, name)}
		}
		put(name, func(v variable.Declaration) (any, error) { return v.Parse(text) })
	}
	taken := "" // the variable that has standard input
	for _, pair := range in.files {
		name, file, ok := strings.Cut(pair, "=")
		switch {
		case !ok || file == "":
			return p, usageError{fmt.Errorf("--value-file %q: want NAME=FILE", pair)}
		case file == "-" && taken != "":
			return p, usageError{fmt.Errorf("--value-file %s: standard input can be one value, and is that of %s", pair, taken)}
		case file == "-":
			taken = name
		}
		text, err := readValueFile(file, stdin)
		if err != nil {
			return p, err
		}
		put(name, func(v variable.Declaration) (any, error) { return v.Parse(text) })
	}
	return p, errors.Join(errs...)
}

// readValues reads --from-file.
func (in *valueInput) readValues(into map[string]any) error {
	content, err := readAtMost(in.from, maxValueFile)
	if err != nil {
		return err
	}
	values, err := strictyaml.ReadFree(content, registry.ErrInvalid, strictyaml.Limits{})
	if err != nil {
		return fmt.Errorf("%s: %w", in.from, err)
	}
	named, ok := values.(map[string]any)
	if !ok && values != nil {
		return fmt.Errorf("%s: %w: want variables by name, like 'replicas: 3'", in.from, registry.ErrInvalid)
	}
	for name, value := range named {
		into[name] = value
	}
	return nil
}

// readValueFile is one value, without the end of its line.
func readValueFile(file string, stdin io.Reader) (string, error) {
	var content []byte
	var err error
	if file == "-" {
		content, err = allAtMost("standard input", stdin, maxValueFile)
	} else {
		content, err = readAtMost(file, maxValueFile)
	}
	text := strings.TrimSuffix(string(content), "\n")
	return strings.TrimSuffix(text, "\r"), err
}
