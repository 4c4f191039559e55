package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

// mirrors makes a command that works on the mirrors of a running appliance.
func (f *siteFlags) mirrors(run func(c *cobra.Command, m *api.Mirrors, args []string) error) func(*cobra.Command, []string) error {
	return f.ask(func(c *cobra.Command, client *api.Client, args []string) error { return run(c, client.Mirrors(), args) })
}

func newSyncLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List an appliance's mirrors, with their next and last runs",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.mirrors(func(c *cobra.Command, m *api.Mirrors, _ []string) error {
		list, err := m.List(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printMirrorList(c.OutOrStdout(), list)
	})
	return c
}

func printMirrorList(w io.Writer, list mirroring.Listing) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "MIRROR\tSTATE\tSCHEDULE\tNEXT\tLAST\tSOURCES")
	for _, m := range list.Mirrors {
		last := "-"
		if m.Last != nil {
			last = fmt.Sprintf("%s %s", clock(m.Last.Ended), m.Last.State)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, mirrorState(m), cmp.Or(m.Schedule, "-"), clock(m.Next), last, strings.Join(m.Sources, " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range list.Mirrors {
		if m.Problem != "" {
			fmt.Fprintf(w, "%s: %s\n", m.Name, m.Problem)
		}
	}
	if list.Problem != "" {
		fmt.Fprintf(w, "%s, as it was read at %s, is in force; as it is now it cannot be: %s\n", list.File, clock(&list.Loaded), list.Problem)
	}
	return nil
}

// mirrorState also names the run.
func mirrorState(m mirroring.Status) string {
	switch {
	case m.Run != "":
		return fmt.Sprintf("%s (run %s)", m.State, m.Run)
	case m.Offline:
		return "offline"
	case m.OnDemand:
		return "on demand"
	}
	return string(m.State)
}

func clock(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}
