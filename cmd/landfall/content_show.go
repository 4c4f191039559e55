package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

func newContentShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Say what is behind a name",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.verb(func(c *cobra.Command, s site, args []string) error {
		ref, err := findName(c.Context(), s, args[0])
		if err != nil {
			return err
		}
		g, err := registry.Walk(c.Context(), s, []registry.Ref{ref}, registry.WalkOptions{Sparse: true})
		if err != nil {
			return err
		}
		names, err := registry.Summarize(c.Context(), s, g)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), names)
		}
		for _, n := range names {
			printSummary(c.OutOrStdout(), n)
		}
		return nil
	})
	return c
}

func printSummary(w io.Writer, s registry.Summary) {
	fmt.Fprintf(w, "%s\n  digest  %s\n  type    %s\n  size    %s\n", s.Name, s.Digest, s.MediaType, units.Bytes(s.Size))
	if s.Sparse() {
		fmt.Fprintln(w, "  sparse: the index is the original; platforms marked absent were not carried")
	}
	for _, p := range s.Platforms {
		if p.Absent {
			fmt.Fprintf(w, "  %-16s %s absent\n", p.Platform, p.Digest)
			continue
		}
		fmt.Fprintf(w, "  %-16s %s %s\n", p.Platform, p.Digest, units.Bytes(p.Size))
		for _, l := range p.Layers {
			fmt.Fprintf(w, "    layer %s %s\n", l.Digest, units.Bytes(l.Size))
		}
	}
	for _, r := range s.Referrers {
		fmt.Fprintf(w, "  referrer %s %s of %s\n", r.Digest, r.ArtifactType, short(r.Subject))
	}
}
