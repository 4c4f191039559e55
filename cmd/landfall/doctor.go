package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry/store"
)

// errSick: the doctor found an error.
var errSick = errors.New("the site has a fault; see above for what mends it")

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with a site, and what mends it",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		list, err := examine(c.Context(), c, flags)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), list)
		} else {
			printFindings(c.OutOrStdout(), list)
		}
		for _, f := range list {
			if err == nil && f.Level == store.LevelError {
				err = errSick
			}
		}
		return err
	}
	return c
}

// examine asks the site, or finds out why it cannot be asked.
func examine(ctx context.Context, c *cobra.Command, flags *siteFlags) (list []store.Finding, err error) {
	ask := flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		list, err = s.Examine(ctx)
		return err
	})
	err = ask(c, nil)
	if err == nil || list != nil || flags.server != "" || flags.mustExist() != nil {
		return list, err
	}
	return []store.Finding{store.Diagnose(flags.data, err)}, nil
}

func printFindings(w io.Writer, list []store.Finding) {
	for _, f := range list {
		fmt.Fprintf(w, "%-7s  %s: %s\n", f.Level, f.What, f.Is)
		if f.Mend != "" {
			fmt.Fprintf(w, "         → %s\n", f.Mend)
		}
	}
}
