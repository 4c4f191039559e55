package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func newClusterSet() *cobra.Command {
	in := &valueInput{}
	var planOnly, roll bool
	c := &cobra.Command{
		Use:   "set NAME [VARIABLE=VALUE]... (--plan | --run)",
		Short: "Change variables of a cluster that runs; --plan says what that changes",
		Long: "Give variables of the definition that a cluster runs values of the cluster's own. --plan says which objects and fields change;\n" +
			"values of Secrets, and sensitive ones, are hidden. --run keeps the values and applies the layers that change. Sensitive\n" +
			"values are not taken from the command line, which others can read: they come from a file, or with '-' from standard input.",
		Args: cobra.MinimumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringArrayVar(&in.unset, "unset", nil, "let this `variable` be again what the cluster's document, the site or the definition says; may be repeated")
	c.Flags().StringVar(&in.from, "values", "", "take values from this YAML `file`, variables by name")
	c.Flags().StringArrayVar(&in.files, "value-file", nil, "`NAME=FILE`: the variable's value is in the file, '-' for standard input; may be repeated")
	c.Flags().BoolVar(&planOnly, "plan", false, "say what would change, and keep nothing")
	c.Flags().BoolVar(&roll, "run", false, "do it")
	c.MarkFlagsMutuallyExclusive("plan", "run")
	c.MarkFlagsOneRequired("plan", "run")
	wait, asJSON := addWait(c), jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		d, err := runningDefinition(c, client, args[0])
		if err != nil {
			return err
		}
		patch, err := in.patch(d, args[1:], c.InOrStdin())
		if err != nil {
			return err
		}
		if planOnly {
			p, err := client.PreviewVariables(c.Context(), args[0], patch)
			if err != nil {
				return err
			}
			return printSetPreview(c.OutOrStdout(), p, *asJSON)
		}
		one, err := client.SetVariables(c.Context(), args[0], patch)
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}

// runningDefinition is the definition that a cluster runs.
func runningDefinition(c *cobra.Command, client *api.Client, name string) (*valuesOf, error) {
	one, err := client.Cluster(c.Context(), name)
	if err != nil {
		return nil, err
	}
	if one.Running == "" {
		return nil, fmt.Errorf("cluster %s: %w: it does not run yet", name, registry.ErrConflict)
	}
	document, err := client.Definition(c.Context(), one.Running)
	if err != nil {
		return nil, err
	}
	d, err := definition.Parse(one.Running, document)
	return &valuesOf{d, one.Running}, err
}

func printSetPreview(w io.Writer, p *clusters.SetPreview, asJSON bool) error {
	if asJSON {
		return printJSON(w, p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "variables %s\n", shown(strings.Join(p.Variables, ", ")))
	if len(p.Layers) == 0 {
		b.WriteString("nothing that runs changes\n")
	}
	for _, l := range p.Layers {
		for _, o := range l.Objects {
			fmt.Fprintf(&b, "layer     %s: %s is %s\n", l.Layer, shown(o.Object), o.Change)
			for _, f := range o.Fields {
				fmt.Fprintf(&b, "          %s\n", shown(fieldText(f)))
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil || p.Plan == nil {
		return err
	}
	fmt.Fprintln(w, "hosts     none rolls")
	fmt.Fprintln(w)
	return printClusterPlan(w, p.Plan, false)
}

func fieldText(f kube.FieldChange) string {
	switch {
	case f.From == "":
		return f.Path + ": " + f.To + " is new"
	case f.To == "":
		return f.Path + ": " + f.From + " goes"
	}
	return f.Path + ": " + f.From + " → " + f.To
}
