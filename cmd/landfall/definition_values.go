package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/definitions"
)

func newDefinitionValues() *cobra.Command {
	var against string
	c := &cobra.Command{
		Use:   "values DEF",
		Short: "Show the variables of a definition, and what the site says to them",
		Long: "Show the variables of a definition, their defaults, and what the site says instead. DEF is a file, NAME:VERSION or NAME.\n" +
			"With --against another version is named, and each variable is shown as it is after an upgrade to that: ours, when the\n" +
			"site's value stays; theirs, when the new default counts; new; removed; invalid, when the site's value breaks a rule of\n" +
			"the new version. Sensitive values are never shown.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&against, "against", "", "the `definition` to upgrade to")
	asJSON := jsonFlag(c)
	c.RunE = flags.values(func(c *cobra.Command, s *valueSite, args []string) error {
		d, err := s.definition(c.Context(), args[0])
		if err != nil {
			return err
		}
		if against != "" {
			next, err := s.definition(c.Context(), against)
			if err != nil {
				return err
			}
			return s.printComparison(c, d, next, *asJSON)
		}
		l, err := s.show(c.Context(), d)
		if err != nil {
			return err
		}
		return printValueListing(c, l, *asJSON)
	})
	return c
}

// valueSite keeps a site's values: in its store, or at its appliance.
type valueSite struct {
	known  *definitions.Definitions // of the store
	kept   *sitevalues.Values       // in the store
	client *api.Client              // nil: the store is here
}

// values makes a command about the values of a site.
func (f *siteFlags) values(run func(c *cobra.Command, s *valueSite, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		if err := f.mustExist(); err != nil {
			return err
		}
		local, server, err := f.find(c.Context())
		if err != nil {
			return err
		}
		s, end := &valueSite{}, func() error { return nil }
		if local != nil {
			end = local.Close
			err = s.open(c.Context(), local, f.data)
		} else if s.client, err = f.dial(server); err == nil {
			end = s.client.Close
		}
		if err == nil {
			err = run(c, s, args)
		}
		return errors.Join(err, end())
	}
}

func (s *valueSite) open(ctx context.Context, local *store.Store, data string) error {
	log, err := audit.Open(ctx, local)
	if err != nil {
		return err
	}
	if s.kept, err = definitions.OpenValues(ctx, local, data, log); err != nil {
		return err
	}
	s.known, err = openKnown(ctx, local, definitions.Options{Values: s.kept})
	return err
}

// valuesOf is a definition of which values are.
type valuesOf struct {
	*definition.Definition
	name string // of it at the site
}

// definition reads the definition of a file or, by name, of the site.
func (s *valueSite) definition(ctx context.Context, text string) (*valuesOf, error) {
	if isDefinitionPath(text) {
		d, err := openDefinition(text)
		if err != nil {
			return nil, err
		}
		return &valuesOf{d, d.Name + ":" + d.Version}, nil
	}
	if s.client == nil {
		st, err := s.known.Get(ctx, text)
		if err != nil {
			return nil, err
		}
		return &valuesOf{st.Definition, st.Ref.String()}, nil
	}
	document, err := s.client.Definition(ctx, text)
	if err != nil {
		return nil, err
	}
	d, err := definition.Parse(text, document)
	if err != nil {
		return nil, err
	}
	return &valuesOf{d, text}, nil
}

// isDefinitionPath reports whether a file is meant, and no name at the site.
func isDefinitionPath(text string) bool {
	if ext := filepath.Ext(text); ext == ".yaml" || ext == ".yml" || strings.ContainsRune(text, filepath.Separator) && strings.HasPrefix(text, ".") {
		return true
	}
	info, err := os.Stat(text)
	return err == nil && info.Mode().IsRegular()
}

// unpushed says what to do when an appliance does not have the definition of a file.
func unpushed(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		err = fmt.Errorf("%w; bring it with 'landfall definition push FILE' or a bundle", err)
	}
	return err
}

func (s *valueSite) show(ctx context.Context, d *valuesOf) (*sitevalues.Listing, error) {
	if s.client == nil {
		return s.kept.Show(ctx, d.Name, d.Definition)
	}
	l, err := s.client.DefinitionValues(ctx, d.name)
	return l, unpushed(err)
}

func (s *valueSite) set(ctx context.Context, d *valuesOf, p sitevalues.Patch) (*sitevalues.Listing, error) {
	if s.client == nil {
		if err := s.kept.Set(audit.WithActor(ctx, *localActor()), d.Name, d.Definition, p); err != nil {
			return nil, err
		}
		return s.kept.Show(ctx, d.Name, d.Definition)
	}
	l, err := s.client.SetDefinitionValues(ctx, d.name, p)
	return l, unpushed(err)
}

func (s *valueSite) compare(ctx context.Context, d, next *valuesOf) ([]sitevalues.Row, error) {
	if d.Name != next.Name {
		return nil, usageError{fmt.Errorf("%s and %s are different definitions: want two versions of one", d.Name, next.Name)}
	}
	if s.client == nil {
		return s.kept.Compare(ctx, d.Name, d.Definition, next.Definition)
	}
	rows, err := s.client.CompareDefinitionValues(ctx, d.name, next.name)
	return rows, unpushed(err)
}

// compared is what --against prints as JSON.
type compared struct {
	Name      string           `json:"name"`
	From      string           `json:"from"`
	To        string           `json:"to"`
	Variables []sitevalues.Row `json:"variables"`
}

func (s *valueSite) printComparison(c *cobra.Command, d, next *valuesOf, asJSON bool) error {
	rows, err := s.compare(c.Context(), d, next)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), compared{d.Name, d.Version, next.Version, rows})
	}
	out := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "VARIABLE\tSTATE\tOURS\tDEFAULT "+d.Version+"\tDEFAULT "+next.Version+"\tNOTE")
	for _, r := range rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.State, valueText(r.Ours), valueText(r.DefaultOld), valueText(r.DefaultNew), shown(r.Problem))
	}
	return out.Flush()
}

func printValueListing(c *cobra.Command, l *sitevalues.Listing, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), l)
	}
	return printVariables(c.OutOrStdout(), l)
}

func printVariables(w io.Writer, l *sitevalues.Listing) error {
	out := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "VARIABLE\tTYPE\tSTATE\tVALUE\tDEFAULT\tNOTE")
	for _, v := range l.Variables {
		if v.Hidden && v.State == sitevalues.Default {
			continue
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.Type, v.State, valueText(v.Value), valueText(v.Default), shown(v.Problem))
	}
	return out.Flush()
}

// valueText is a value in a table.
func valueText(value any) string {
	if value == nil {
		return "-"
	}
	if text, ok := value.(string); ok && text != "" && text == shown(text) && !strings.ContainsAny(text, " \t") {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return "?"
	}
	return shown(strings.TrimSuffix(b.String(), "\n"))
}
