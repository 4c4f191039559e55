package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/sync/mirror"
)

func newSyncPlan() *cobra.Command {
	c := &cobra.Command{
		Use:   "plan",
		Short: "Say what a run would copy, skip and delete, and why",
		Args:  cobra.NoArgs,
	}
	f := addSyncFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		s, err := f.open(c.Context(), true)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		p, err := s.plan(c.Context(), f)
		if err != nil {
			return err
		}
		if *f.asJSON {
			err = printJSON(c.OutOrStdout(), p)
		} else {
			err = printPlan(c.OutOrStdout(), p)
		}
		return cmp.Or(err, p.Err())
	}
	return c
}

// printPlan prints a plan as a table.
func printPlan(w io.Writer, p *mirror.Plan) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "MIRROR\tNAME\tACTION\tBYTES\tDIGEST\tREASON")
	for _, i := range p.Images {
		bytes := "-"
		if i.Action == mirror.Copy {
			bytes = units.Bytes(i.Bytes)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", i.Mirror, i.Destination, i.Action, bytes, short(i.Digest), i.Reason)
	}
	for _, d := range p.Deletions {
		fmt.Fprintf(t, "%s\t%s\tdelete\t-\t%s\t%s\n", d.Mirror, d.Name, short(d.Digest), d.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printMirrors(w, p.Mirrors)
	_, err := fmt.Fprintf(w, "%d to copy, %d the same, %d refused, %d failed, %d to delete; %s in %d blobs move\n",
		p.Count(mirror.Copy), p.Count(mirror.Skip), p.Count(mirror.Refuse), p.Count(mirror.Fail), len(p.Deletions), units.Bytes(p.Bytes), p.Blobs)
	return err
}
