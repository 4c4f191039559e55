package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
)

func newContentExport() *cobra.Command {
	var output string
	var terms termFlags
	c := &cobra.Command{
		Use:   "export NAME...",
		Short: "Make a bundle from what a site holds",
		Args:  cobra.MinimumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "", "bundle `file` to make")
	terms.add(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if output == "" {
			return usageError{fmt.Errorf("name the bundle to make with -o FILE")}
		}
		create, err := terms.options(nil)
		if err != nil {
			return err
		}
		s, err := flags.openExisting(c.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		var refs []registry.Ref
		for _, arg := range args {
			ref, err := findName(c.Context(), s, arg)
			if err != nil {
				return err
			}
			refs = append(refs, ref)
		}
		return export(c, s, walkFrom(refs), registry.WalkOptions{Sparse: true}, create, output, *asJSON)
	}
	return c
}
