package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/definition"
)

func newDefinitionDiff() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what changes from one definition to another, and how much has to be carried",
		Long: "Compare two definitions, each a file, NAME:VERSION or NAME of the site. What has to be carried is what B lists and A\n" +
			"does not; with --for or --since, what the site of the receipt, or who has that bundle, is without.",
		Args: cobra.ExactArgs(2),
	}
	flags := addDefinitionFlags(c)
	var base baseFlags
	base.add(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var has bundle.CreateOptions
		if err := base.apply(&has); err != nil {
			return err
		}
		list, err := flags.read(c.Context(), args...)
		if err != nil {
			return err
		}
		d := definition.Diff(list[0].definition, list[1].definition, has.Have)
		if *asJSON {
			return printJSON(c.OutOrStdout(), d)
		}
		return printDifference(c.OutOrStdout(), d)
	}
	return c
}

func printDifference(w io.Writer, d *definition.Difference) error {
	fmt.Fprintf(w, "%s %s → %s %s\n", d.From.Name, d.From.Version, d.To.Name, d.To.Version)
	if d.Empty() {
		fmt.Fprintln(w, "nothing changes")
	}
	printFieldChanges(w, "", d.Fields)
	for _, l := range d.Layers {
		fmt.Fprintf(w, "%s layer %s\n", sign(l.Change), shown(l.Name))
		printFieldChanges(w, "    ", l.Fields)
		printProviderChanges(w, l.Providers)
	}
	for _, v := range d.Variables {
		fmt.Fprintf(w, "%s variable %s\n", sign(v.Change), shown(v.Name))
		printFieldChanges(w, "    ", v.Fields)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, i := range d.Images {
		switch {
		case i.Change == definition.Removed:
			fmt.Fprintf(t, "- image %s\t%s\n", i.Name, short(i.Old))
		case i.Was != "":
			fmt.Fprintf(t, "+ image %s\t%s\t%s to carry\twas %s\n", i.Name, short(i.New), units.Bytes(i.Bytes), i.Was)
		case i.Change == definition.Added:
			fmt.Fprintf(t, "+ image %s\t%s\t%s to carry\n", i.Name, short(i.New), units.Bytes(i.Bytes))
		default:
			fmt.Fprintf(t, "~ image %s\t%s → %s\t%s to carry\n", i.Name, short(i.Old), short(i.New), units.Bytes(i.Bytes))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	where := "that " + d.From.Version + " does not have"
	if d.Known {
		where = "that the site does not have"
	}
	_, err := fmt.Fprintf(w, "%s to carry: %d blobs and manifests %s; all of %s %s is %s\n",
		units.Bytes(d.Carry), d.Carried, where, d.To.Name, d.To.Version, units.Bytes(d.Bytes))
	return err
}

func printProviderChanges(w io.Writer, list []definition.ProviderChange) {
	for _, p := range list {
		name := shown(p.Name) + prefixed(" for ", strings.Join(p.Platforms, ", "))
		from, to := providerText(p.OldVersion, p.Old), providerText(p.NewVersion, p.New)
		switch p.Change {
		case definition.Added:
			fmt.Fprintf(w, "    + provider %s: %s, %s to carry\n", name, to, units.Bytes(p.Bytes))
		case definition.Removed:
			fmt.Fprintf(w, "    - provider %s: %s\n", name, from)
		default:
			fmt.Fprintf(w, "    ~ provider %s: %s → %s, %s to carry\n", name, from, to, units.Bytes(p.Bytes))
		}
	}
}

// providerText is a provider's version, and its digest, which may be another one of the
// same version.
func providerText(version string, d digest.Digest) string {
	return strings.TrimSpace(prefixed("", version) + " (" + short(d) + ")")
}

// sign is how a change begins its line.
func sign(change string) string {
	switch change {
	case definition.Added:
		return "+"
	case definition.Removed:
		return "-"
	}
	return "~"
}

func printFieldChanges(w io.Writer, indent string, list []definition.Change) {
	for _, c := range list {
		switch {
		case c.Old == nil:
			fmt.Fprintf(w, "%s+ %s: %s\n", indent, shown(c.Path), shown(string(c.New)))
		case c.New == nil:
			fmt.Fprintf(w, "%s- %s: %s\n", indent, shown(c.Path), shown(string(c.Old)))
		default:
			fmt.Fprintf(w, "%s~ %s: %s → %s\n", indent, shown(c.Path), shown(string(c.Old)), shown(string(c.New)))
		}
	}
}
