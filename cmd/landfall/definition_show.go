package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

func newDefinitionShow() *cobra.Command {
	var why string
	c := &cobra.Command{
		Use:   "show DEF",
		Short: "Say what a definition lists, and why an image is there",
		Long: "Show a definition. DEF is a file or, of the site, NAME:VERSION, NAME for its highest version, or a full reference.\n" +
			"With --why each place is shown where an image was found: layer, chart, template, object and field.",
		Args: cobra.ExactArgs(1),
	}
	flags := addDefinitionFlags(c)
	c.Flags().StringVar(&why, "why", "", "say why this `image` is there: its name, with or without tag, or its digest")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		list, err := flags.read(c.Context(), args[0])
		if err != nil {
			return err
		}
		d := list[0]
		if why != "" {
			images, err := d.definition.Why(why)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(c.OutOrStdout(), images)
			}
			printReasons(c.OutOrStdout(), images)
			return nil
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), d.definition)
		}
		return d.print(c.OutOrStdout())
	}
	return c
}

func printReasons(w io.Writer, images []definition.Image) {
	for _, i := range images {
		confirmed := ""
		if i.Confirmed {
			confirmed = "; confirmed: its registry has it"
		}
		fmt.Fprintf(w, "%s %s (%s%s)\n", i.Name, i.Digest, i.Sure, confirmed)
		for _, r := range i.Why {
			fmt.Fprintf(w, "  %s\n", shown(r.String()))
		}
	}
}

// print shows all of it.
func (d *shownDefinition) print(w io.Writer) error {
	d.printHead(w)
	fmt.Fprintln(w, "\nLAYERS")
	for i := range d.definition.Layers {
		printLayer(w, &d.definition.Layers[i])
	}
	if err := printDeclarations(w, d.definition); err != nil {
		return err
	}
	if err := printImages(w, d.definition); err != nil {
		return err
	}
	printNames(w, "UNUSED (the profile lists it, and nothing that was rendered uses it)", d.definition.Unused)
	printNames(w, "UNLISTED (it was found, and the profile does not list it)", d.definition.Unlisted())
	if len(d.definition.Left) > 0 {
		fmt.Fprintln(w, "\nLEFT OUT")
		for i := range d.definition.Left {
			l := &d.definition.Left[i]
			fmt.Fprintf(w, "  %s: %s\n    %s\n", shown(l.Text), shown(l.Why), shown(l.String()))
		}
	}
	return nil
}

func printNames(w io.Writer, heading string, names []string) {
	if len(names) > 0 {
		fmt.Fprintln(w, "\n"+heading)
	}
	for _, name := range names {
		fmt.Fprintf(w, "  %s\n", name)
	}
}

func (d *shownDefinition) printHead(w io.Writer) {
	f := d.definition
	fmt.Fprintf(w, "%s %s for %s\n", f.Name, f.Version, platformsText(f.Platforms))
	for text := range strings.Lines(f.Description) {
		fmt.Fprintf(w, "  %s\n", shown(strings.TrimSpace(text)))
	}
	if f.Kubernetes != nil {
		fmt.Fprintf(w, "  kubernetes  %s %s\n", f.Kubernetes.Distribution, f.Kubernetes.Version)
	}
	fmt.Fprintf(w, "  reference   %s\n  document    %s\n  size        %s in %d images and %d charts, manifests and files\n",
		f.Ref(), digest.FromBytes(d.document), units.Bytes(f.Size()), len(f.Images), len(f.Parts()))
	for _, s := range d.signatures {
		checked := " (not checked: ask for it with --key)"
		if slices.Contains(d.signers, s.KeyID) {
			checked = ""
		}
		fmt.Fprintf(w, "  signed by   key %s%s\n", shown(s.KeyID), checked)
	}
	if d.site != nil {
		if len(d.site.Signers) > 0 {
			fmt.Fprintf(w, "  trusted     %s\n", shown(strings.Join(d.site.Signers, ", ")))
		}
		fmt.Fprintf(w, "  gate        %s\n", gateText(*d.site))
	}
}

func printLayer(w io.Writer, l *definition.Layer) {
	fmt.Fprintf(w, "  %s (%s%s)%s\n", l.Name, l.Type, prefixed(" ", l.Version), limits(l))
	fmt.Fprintf(w, "    upgrade   %s\n", l.Upgrade.Policy)
	for text := range strings.Lines(l.Upgrade.Notes) {
		fmt.Fprintf(w, "              %s\n", shown(strings.TrimRight(text, "\n")))
	}
	for _, h := range l.Charts {
		fmt.Fprintf(w, "    chart     %s %s as %s in %s, from %s, %s\n", shown(h.Name), shown(h.Version), shown(h.Release), shown(h.Namespace), originText(&h), units.Bytes(h.Size))
	}
	for _, p := range l.Manifests {
		fmt.Fprintf(w, "    manifest  %s, %s\n", shown(p.Path), units.Bytes(p.Size))
	}
	for _, p := range l.Files {
		fmt.Fprintf(w, "    file      %s%s, %s\n", shown(p.Path), prefixed(" → ", p.Target), units.Bytes(p.Size))
	}
	for _, p := range l.Providers {
		fmt.Fprintf(w, "    provider  %s%s, from %s%s, %s\n", shown(p.Name), prefixed(" ", p.Version), shown(p.Path), prefixed(", only on ", strings.Join(p.Platforms, ", ")), units.Bytes(p.Size))
	}
	for _, name := range l.Images {
		fmt.Fprintf(w, "    image     %s\n", name)
	}
}

// prefixed is a text behind another, nothing when it is empty.
func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + shown(text)
}

// limits says what is particular about a layer.
func limits(l *definition.Layer) string {
	text := prefixed(", from ", l.From) + prefixed(", namespace ", l.Namespace)
	return text + prefixed(", after ", strings.Join(l.DependsOn, ", ")) + prefixed(", only on ", strings.Join(l.Platforms, ", "))
}

// originText says where a chart came from.
func originText(h *definition.Chart) string {
	switch {
	case h.Origin.OCI != "":
		return "oci://" + shown(h.Origin.OCI)
	case h.Origin.Repository != "":
		return shown(h.Origin.Repository)
	}
	return shown(h.Origin.Path)
}

// printDeclarations shows the variables by group, those without one first.
func printDeclarations(w io.Writer, d *definition.Definition) error {
	if len(d.Variables) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nVARIABLES")
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "  GROUP\tNAME\tTYPE\tDEFAULT\tRULES\tDESCRIPTION")
	rows := func(group string) {
		for _, v := range d.Variables {
			if v.Group != group {
				continue
			}
			kind := string(v.Type) + prefixed(" ", v.Format)
			about := strings.TrimSpace(v.Title + " " + v.Description)
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", shown(group), shown(v.Name), kind, valueText(v.Default), rulesText(&v), shown(about))
		}
	}
	rows("")
	for _, g := range d.Groups {
		rows(g.Name)
	}
	return t.Flush()
}

// rulesText lists the rules that a variable has.
func rulesText(v *variable.Declaration) string {
	var rules []string
	for _, f := range []struct {
		is   bool
		name string
	}{{v.Required, "required"}, {v.Hidden, "hidden"}, {v.Immutable, "immutable"}, {v.Sensitive, "sensitive"}} {
		if f.is {
			rules = append(rules, f.name)
		}
	}
	if v.Pattern != "" {
		rules = append(rules, "pattern "+v.Pattern)
	}
	if len(v.Allowed) > 0 {
		rules = append(rules, "allowed "+valueText(v.Allowed))
	}
	if v.Min != nil {
		rules = append(rules, fmt.Sprintf("min %v", *v.Min))
	}
	if v.Max != nil {
		rules = append(rules, fmt.Sprintf("max %v", *v.Max))
	}
	return shown(strings.Join(rules, ", "))
}

// printImages shows the images with their size for each platform.
func printImages(w io.Writer, d *definition.Definition) error {
	fmt.Fprintln(w, "\nIMAGES")
	platforms, err := registry.ParsePlatforms(d.Platforms)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(append(append([]string{"  NAME", "DIGEST"}, d.Platforms...), "SURE", "FOUND IN"), "\t"))
	for i := range d.Images {
		m := &d.Images[i]
		columns := []string{"  " + m.Name, short(m.Digest)}
		for _, p := range platforms {
			size := "-"
			if m.RunsOn(p) {
				size = units.Bytes(m.Size(p))
			}
			columns = append(columns, size)
		}
		sure := string(m.Sure)
		if m.Confirmed {
			sure += ", confirmed"
		}
		fmt.Fprintln(t, strings.Join(append(columns, sure, foundIn(m)), "\t"))
	}
	return t.Flush()
}

// foundIn is the first reason, and how many more there are.
func foundIn(m *definition.Image) string {
	r := m.Why[0]
	text := "layer " + r.Layer + prefixed(", chart ", r.Chart)
	if more := len(m.Why) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
