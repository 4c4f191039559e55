package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
)

func newMediaLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List drives, and the bundles on them",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		list, err := client.Drives().List(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printDrives(c.OutOrStdout(), list)
	})
	return c
}

func printDrives(w io.Writer, list []media.Drive) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "DRIVE\tDEVICE\tLABEL\tSTATE\tFILE\tSIZE\tBUNDLE\tNOTE")
	for _, d := range list {
		row := func(file, size, bundle, note string) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", shown(d.ID), shown(cmp.Or(d.Device, d.Where)), cmp.Or(d.Label, "-"), d.State, file, size, bundle, cmp.Or(note, "-"))
		}
		note := cmp.Or(d.Reason, d.Cut)
		if len(d.Candidates) == 0 {
			row("-", "-", "-", note)
		}
		for _, k := range d.Candidates {
			id := "-"
			if k.Header != nil {
				id = shown(k.Header.Bundle)
			}
			row(k.Name, units.Bytes(k.Size), id, cmp.Or(k.Problem, note)) // texts of drives are printable
		}
	}
	return t.Flush()
}

func newMediaRescan() *cobra.Command {
	c := &cobra.Command{
		Use:   "rescan",
		Short: "Look for drives, and through all that are there",
		Long:  "Have the appliance look for drives, and through all that are there. 'landfall media ls' shows what it has found.",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		return client.Drives().Rescan(c.Context())
	})
	return c
}

func newMediaEject() *cobra.Command {
	c := &cobra.Command{
		Use:   "eject DRIVE",
		Short: "Let go of a drive, so that it can be pulled out",
		Long:  "Let go of a drive: the one of this ID, device or label. It is safe to pull out when this command has ended well.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		drive, err := findDrive(c, client.Drives(), args[0])
		if err == nil {
			err = client.Drives().Eject(c.Context(), drive.ID)
		}
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s can be pulled out\n", args[0])
		}
		return err
	})
	return c
}

// findDrive finds the one drive of an ID, or of a device, folder or label.
func findDrive(c *cobra.Command, d *api.Drives, text string) (media.Drive, error) {
	list, err := d.List(c.Context())
	if err != nil {
		return media.Drive{}, err
	}
	var found []media.Drive
	for _, at := range list {
		if at.ID == text {
			return at, nil
		}
		if text != "" && (at.Device == text || at.Label == text || at.Where == text) {
			found = append(found, at)
		}
	}
	switch len(found) {
	case 0:
		return media.Drive{}, fmt.Errorf("%s: %w: no such drive is plugged in; see 'landfall media ls'", text, registry.ErrNotFound)
	case 1:
		return found[0], nil
	}
	return media.Drive{}, usageError{fmt.Errorf("%s: several drives are called so; name one by its ID", text)}
}
