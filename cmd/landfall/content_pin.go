package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
)

// operator is who pins when nobody else is named.
const operator = "operator"

func newContentPin() *cobra.Command {
	var owner, reason string
	c := &cobra.Command{
		Use:   "pin NAME",
		Short: "Keep content whatever happens to its tags",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&owner, "owner", operator, "`who` needs it")
	c.Flags().StringVar(&reason, "reason", "", "`why`, for who wants to delete it")
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		if reason == "" {
			return usageError{fmt.Errorf("say why with --reason")}
		}
		ref, err := parseName(args[0])
		if err != nil {
			return err
		}
		p, err := s.Pin(c.Context(), ref, owner, reason)
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
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&owner, "owner", operator, "`who` set it")
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		ref, err := parseName(args[0])
		if err == nil {
			err = s.Unpin(c.Context(), ref, owner)
		}
		return err
	})
	return c
}

// parseName takes a name as the site lists it.
func parseName(text string) (registry.Ref, error) {
	ref, err := registry.ParseName(text)
	if err != nil {
		return ref, usageError{err}
	}
	return ref, nil
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

func newContentPolicy() *cobra.Command {
	var set string
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show the retention policy, or put another in force",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&set, "set", "", "put the policy in this YAML or JSON `file` in force; an empty file ends the last")
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		if !c.Flags().Changed("set") {
			return showPolicy(c.Context(), c, s)
		}
		content, err := os.ReadFile(set)
		if err != nil {
			return err
		}
		if err := s.SetPolicy(c.Context(), content); err != nil {
			return fmt.Errorf("%s: %w", set, err)
		}
		return nil
	})
	return c
}

func showPolicy(ctx context.Context, c *cobra.Command, s managed) error {
	content, err := s.Policy(ctx)
	if err == nil {
		_, err = c.OutOrStdout().Write(content)
	}
	return err
}
