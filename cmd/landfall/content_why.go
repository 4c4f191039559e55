package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func newContentWhy() *cobra.Command {
	c := &cobra.Command{
		Use:   "why DIGEST",
		Short: "Say what keeps a blob or manifest",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		d, err := registry.ParseDigest(args[0])
		if err != nil {
			return usageError{err}
		}
		e, err := s.Why(c.Context(), d)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), e)
		}
		printExplanation(c.OutOrStdout(), e)
		return nil
	})
	return c
}

func printExplanation(w io.Writer, e *store.Explanation) {
	fmt.Fprintf(w, "%s: %s of %s\n", e.Digest, e.Kind, units.Bytes(e.Size))
	if e.Cause != "" {
		fmt.Fprintf(w, "  in quarantine: %s\n", e.Cause)
	}
	for _, r := range e.Roots {
		fmt.Fprintf(w, "  %s %s: %s\n", r.Kind, r.Name, r.Reason)
		for i, d := range r.Path {
			fmt.Fprintf(w, "  %*s%s\n", 2+2*i, "", d)
		}
	}
	if e.More {
		fmt.Fprintln(w, "  and more")
	}
	for _, name := range e.Trash {
		fmt.Fprintf(w, "  in the trash of %s\n", name)
	}
	switch {
	case len(e.Roots) > 0:
	case e.Leased:
		fmt.Fprintln(w, "  nothing keeps it but a lease: somebody was told lately that it is here")
	default:
		fmt.Fprintln(w, "  nothing keeps it: the next collection takes it")
	}
}
