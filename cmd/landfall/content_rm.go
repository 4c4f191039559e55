package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newContentRm() *cobra.Command {
	c := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove names from a site",
		Long:  "Remove tags, or with a digest manifests and the tags that point at them. Space is freed by collection.",
		Args:  cobra.MinimumNArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.verb(func(c *cobra.Command, s site, args []string) error {
		var errs []error
		removed := []string{}
		for _, arg := range args {
			ref, err := findName(c.Context(), s, arg)
			if err == nil {
				err = s.Delete(c.Context(), ref)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			removed = append(removed, ref.String())
			if !*asJSON {
				fmt.Fprintf(c.OutOrStdout(), "removed %s\n", ref)
			}
		}
		if *asJSON {
			errs = append(errs, printJSON(c.OutOrStdout(), removed))
		}
		return errors.Join(errs...)
	})
	return c
}
