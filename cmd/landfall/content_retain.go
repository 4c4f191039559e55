package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry/store"
)

func newContentRetain() *cobra.Command {
	var opts store.RetainOptions
	var file string
	c := &cobra.Command{
		Use:   "retain",
		Short: "Remove the tags that the policy does not keep",
		Long: "Remove the tags that the policy does not keep; 'landfall content policy' shows and sets it. 'landfall content\n" +
			"undo' brings them back until they are erased; 'landfall content collect' frees what they alone kept.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&opts.DryRun, "dry-run", false, "change nothing; say of each tag what would happen, and why")
	c.Flags().StringVar(&file, "policy", "", "with --dry-run: try the policy in this `file`")
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		if file != "" {
			if !opts.DryRun {
				return usageError{fmt.Errorf("--policy goes with --dry-run; 'landfall content policy --set %s' puts it in force", file)}
			}
			var err error
			if opts.Policy, err = readPolicy(file); err != nil {
				return err
			}
		}
		r, err := s.Retain(c.Context(), opts)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), r)
		}
		printRetained(c.OutOrStdout(), r)
		return hintPolicy(c, s, r)
	})
	return c
}

// hintPolicy says why nothing was decided.
func hintPolicy(c *cobra.Command, s managed, r *store.Retained) error {
	if len(r.Repositories) > 0 || c.Flags().Changed("policy") {
		return nil
	}
	content, err := s.Policy(c.Context())
	if err == nil && len(content) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), noPolicy)
	}
	return err
}

func printRetained(w io.Writer, r *store.Retained) {
	for _, repository := range r.Repositories {
		for _, t := range repository.Tags {
			verb := "keep  "
			if !t.Keep {
				verb = "remove"
			}
			fmt.Fprintf(w, "%s %s:%s: %s\n", verb, repository.Repository, t.Tag, t.Reason)
		}
	}
	if r.DryRun {
		fmt.Fprintf(w, "%d tags would be removed\n", r.Removed)
	} else {
		fmt.Fprintf(w, "%d tags removed\n", r.Removed)
	}
}
