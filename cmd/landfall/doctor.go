package main

import (
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
		Long: "Look at the database, the disk, the content and the clock of a site, and say what is wrong and what mends it.\n" +
			"Nothing is changed. The exit code is 1 when something needs to be mended; notes and warnings do not count.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		list, err := flags.examine(c)
		if list == nil {
			return err
		}
		if *asJSON {
			err = errors.Join(err, printJSON(c.OutOrStdout(), list))
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

// examine asks the site. Of a folder that cannot be opened it says why, with
// the error unless that is a fault of the site.
func (f *siteFlags) examine(c *cobra.Command) (list []store.Finding, err error) {
	err = f.manage(func(c *cobra.Command, s managed, _ []string) error {
		list, err = s.Examine(c.Context())
		return err
	})(c, nil)
	if err == nil || list != nil || f.server != "" || c.Context().Err() != nil || f.mustExist() != nil {
		return list, err
	}
	finding := store.Diagnose(f.data, err)
	if finding.Level == store.LevelError {
		err = nil
	}
	return []store.Finding{finding}, err
}

func printFindings(w io.Writer, list []store.Finding) {
	for _, f := range list {
		fmt.Fprintf(w, "%-7s  %s: %s\n", f.Level, f.What, f.Is)
		if f.Mend != "" {
			fmt.Fprintf(w, "         → %s\n", f.Mend)
		}
	}
}
