package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// operator is who pins when nobody else is named.
const operator = "operator"

func newContentPin() *cobra.Command {
	var owner, reason string
	c := &cobra.Command{
		Use:   "pin NAME",
		Short: "Keep content whatever happens to its tags",
		Long: "Pin what a name points at now: collection and retention leave it alone, and it cannot be deleted, until its\n" +
			"owner takes the pin away with 'landfall content unpin'. A tag that is pinned by name cannot be deleted either.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&owner, "owner", operator, "`who` needs it")
	c.Flags().StringVar(&reason, "reason", "", "`why`, for who wants to delete it")
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		if reason == "" {
			return usageError{fmt.Errorf("say why with --reason")}
		}
		var p store.Pin
		ref, err := eachName(args[0], func(ref registry.Ref) (err error) {
			p, err = s.Pin(c.Context(), ref, owner, reason)
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), p)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "pinned %s %s\n", ref, p.Digest)
		return err
	})
	return c
}

func newContentUnpin() *cobra.Command {
	var owner string
	c := &cobra.Command{
		Use:   "unpin NAME",
		Short: "Take a pin away",
		Long:  "Take an owner's pin of a name away; 'landfall content pins' lists names and owners.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&owner, "owner", operator, "`who` set it")
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		ref, err := eachName(args[0], func(ref registry.Ref) error { return s.Unpin(c.Context(), ref, owner) })
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "unpinned %s\n", ref)
		}
		return err
	})
	return c
}

func newContentPins() *cobra.Command {
	c := &cobra.Command{
		Use:   "pins",
		Short: "List what is pinned, by whom and why",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		list, err := s.Pins(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tDIGEST\tOWNER\tREASON")
		for _, p := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", registry.Ref{Repository: p.Repository, Tag: p.Tag}, p.Digest, p.Owner, p.Reason)
		}
		return t.Flush()
	})
	return c
}
