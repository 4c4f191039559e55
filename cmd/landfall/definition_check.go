package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// gateFlags say what is asked of the closure gate.
type gateFlags struct {
	*definitionFlags
	platforms []string
	deep      bool
	wants     string
}

func newDefinitionCheck() *cobra.Command {
	f := &gateFlags{}
	c := &cobra.Command{
		Use:   "check DEF",
		Short: "Prove that a site has all that a definition needs",
		Long: "Prove that every digest that a definition reaches is at a site, whole and allowed by its policy. DEF is a file or, of\n" +
			"the site, NAME:VERSION, NAME for its highest version, or a full reference. Otherwise exit with 4, or with 3 when all\n" +
			"that is wrong is that the policy refuses something; with --wants the list of what is missing is written, of which\n" +
			"'landfall bundle create --wants FILE' on the connected side makes exactly that bundle. Where no store is yet,\n" +
			"everything is missing, and nothing is made.",
		Args: cobra.ExactArgs(1),
	}
	f.definitionFlags = addDefinitionFlags(c)
	c.Flags().StringArrayVar(&f.platforms, "platform", nil, "the site has hosts of this os/arch[/variant]; may be repeated (default the site's, else all of the definition's)")
	c.Flags().BoolVar(&f.deep, "deep", false, "read every byte and prove its digest")
	c.Flags().StringVar(&f.wants, "wants", "", "write what has to be brought to this `file`; when nothing has, an earlier list there is removed")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := registry.ParsePlatforms(f.platforms); err != nil {
			return usageError{err}
		}
		found, err := f.check(c, args[0])
		if err != nil {
			return err
		}
		listed := f.writeWants(found)
		if *asJSON {
			err = printJSON(c.OutOrStdout(), found.report)
		} else {
			err = printGate(c.OutOrStdout(), found.report)
		}
		return errors.Join(f.explain(args[0], found), listed, err)
	}
	return c
}

// checked is what the gate found, and what has to be brought.
type checked struct {
	report *closure.Report
	wants  *wants.Wants // nil: nothing
}

// check asks the gate of the site. Where there is no store, nothing is made.
func (f *gateFlags) check(c *cobra.Command, text string) (k *checked, err error) {
	ctx := c.Context()
	list, err := f.read(ctx, text)
	if err != nil {
		return nil, err
	}
	d := list[0]
	if _, err := os.Stat(filepath.Join(f.data, store.Database)); f.server == "" && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(c.ErrOrStderr(), "landfall: %s: no store is there yet: everything is missing\n", f.data)
		return f.checkNothing(ctx, d.definition)
	}
	s, closeSite, err := f.openDefinitions(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeSite()) }()
	k = &checked{}
	switch byName := !isDefinitionPath(text); {
	case s.client != nil && byName:
		k.report, err = s.client.CheckNamedDefinition(ctx, text, f.platforms, f.deep)
	case s.client != nil:
		k.report, err = s.client.CheckDefinition(ctx, d.document, f.platforms, f.deep)
	case byName:
		k.report, err = s.known.Check(ctx, text, definitions.CheckOptions{Platforms: f.platforms, Deep: f.deep})
	default:
		k.report, err = s.known.CheckDocument(ctx, d.document, definitions.CheckOptions{Platforms: f.platforms, Deep: f.deep})
	}
	if err != nil {
		return nil, err
	}
	if k.wants = k.report.Wants(d.definition); k.wants != nil && f.wants != "" {
		k.wants.Site, err = s.siteID(ctx)
	}
	return k, err
}

// checkNothing asks about a site that is not there yet.
func (f *gateFlags) checkNothing(ctx context.Context, d *definition.Definition) (*checked, error) {
	platforms, err := registry.ParsePlatforms(f.platforms)
	if err != nil {
		return nil, err
	}
	report, err := closure.Check(ctx, closure.Empty{}, d, closure.Options{Platforms: platforms, Deep: f.deep})
	if err != nil {
		return nil, err
	}
	return &checked{report, report.Wants(d)}, nil
}

// siteID is the id of the site.
func (s *definitionSite) siteID(ctx context.Context) (string, error) {
	if s.client != nil {
		return s.client.SiteID(ctx)
	}
	local, ok := s.Reader.(*store.Store)
	if !ok {
		return "", nil
	}
	return local.SiteID(ctx)
}

// writeWants writes the list, or removes an earlier one that holds no more.
func (f *gateFlags) writeWants(k *checked) error {
	switch {
	case f.wants == "":
		return nil
	case k.wants == nil:
		return removeWants(f.wants)
	}
	content, err := k.wants.Marshal()
	if err == nil {
		err = durable.WriteFile(f.wants, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("the list of what is missing could not be written: %w", err)
	}
	return nil
}

// removeWants removes a file that is a wants file.
func removeWants(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := wants.Parse(path, content); err != nil {
		return fmt.Errorf("nothing has to be brought, and the file that is there is left alone: %w", err)
	}
	return os.Remove(path)
}

// explain is the report's error, with the next step.
func (f *gateFlags) explain(text string, k *checked) error {
	err := k.report.Err()
	if err == nil || k.wants == nil || !errors.Is(err, registry.ErrIncomplete) {
		return err
	}
	if f.wants == "" {
		return fmt.Errorf("%w; --wants FILE writes the list of what has to be brought", err)
	}
	from := ""
	if k.wants.WantsArtifact() {
		from = " --definition FILE"
		if isDefinitionPath(text) {
			from = " --definition " + text
		}
	}
	return fmt.Errorf("%w; %s lists what has to be brought: 'landfall bundle create --wants %s%s' makes the bundle", err, f.wants, f.wants, from)
}

// printGate tells of what is not complete, and how it is about the whole.
func printGate(w io.Writer, r *closure.Report) error {
	for _, i := range r.Items {
		if i.State != closure.Complete {
			fmt.Fprintf(w, "%s  %s %s: %s\n", i.State, i.Kind, shown(i.Name), shown(strings.Join(i.Problems, "; ")))
		}
	}
	_, err := fmt.Fprintln(w, shown(r.Summary()))
	return err
}
