package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

func newTrustPolicy() *cobra.Command {
	var set string
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show the trust policy, or put another in force",
		Long: `Show whose bundles the site lets in, or put another policy in force.

    version: 1
    keys:
      - owner: build team
        pem: |                  # a public key, as 'landfall key generate' writes NAME.pub
          -----BEGIN PUBLIC KEY-----
          ...
          -----END PUBLIC KEY-----
        channels: [stable, "edge/**"] # of bundles that it may sign; "*" is all, also none
        notBefore: 2026-01-01
        notAfter: 2028-01-01
        revoked: {since: 2026-05-01, reason: laptop lost}
    bundles:                    # the first that matches decides; else one signature is enough
      - channel: stable
        signatures: 2           # of different keys
        maxAge: 90d
        rollback: refuse        # or allow: bundles of before the one that is here
    images:                     # signatures of images that come in bundles, by cosign
      - repositories: ["docker.io/library/**"]
        keys: [ID]              # of keys above; one of them has to have signed
        unsigned: refuse        # or record: let in, and note it ('landfall trust images')
    unsigned: refuse            # or allow: bundles without any signature, of no channel above
    pushes: allow               # or refuse: docker push and the like`,
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&set, "set", "", "put the policy in this YAML or JSON `file` in force; an empty file ends the last")
	c.PreRun = func(c *cobra.Command, _ []string) { flags.makes = c.Flags().Changed("set") } // before anything else comes
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		if !flags.makes {
			return showTrustPolicy(c, s)
		}
		content, err := readTrustPolicy(set)
		if err == nil {
			err = s.SetTrustPolicy(c.Context(), content)
		}
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is in force\n", set)
		}
		return err
	})
	return c
}

// readTrustPolicy reads a policy and checks it here, where its file has a name.
func readTrustPolicy(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err == nil && len(content) > 0 {
		_, err = trust.Parse(path, content)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return content, nil
}

func showTrustPolicy(c *cobra.Command, s managed) error {
	content, err := s.TrustPolicyText(c.Context())
	if err == nil && len(content) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), "no trust policy is in force: every bundle is let in; 'landfall trust policy --set FILE' sets one")
	}
	if err == nil {
		_, err = c.OutOrStdout().Write(content)
	}
	return err
}

func newTrustState() *cobra.Command {
	c := &cobra.Command{
		Use:   "state",
		Short: "Show how far channels are, and what was let in against the policy",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		state, err := s.TrustState(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), state)
		}
		return printTrustState(c, state)
	})
	return c
}

func printTrustState(c *cobra.Command, state trust.State) error {
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CHANNEL\tSEQUENCE\tBUNDLE")
	for _, name := range slices.Sorted(maps.Keys(state.Channels)) {
		fmt.Fprintf(t, "%s\t%d\t%s\n", name, state.Channels[name].Sequence, state.Channels[name].Bundle)
	}
	if len(state.Overrides) > 0 {
		fmt.Fprintln(t, "\nOVERRIDE\tBUNDLE\tREASON")
	}
	for _, o := range state.Overrides {
		fmt.Fprintf(t, "%s\t%s\t%s\n", o.At.Format(time.RFC3339), o.Bundle, o.Reason)
	}
	return t.Flush()
}

func newTrustRotate() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate STATEMENT",
		Short: "Let a new key take an old one's place",
		Long:  "Change the trust policy as a statement says that 'landfall key rotate' has written, if those have signed it who have to.",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		statement, err := os.ReadFile(args[0])
		if err != nil {
			return usageError{err}
		}
		content, err := s.TrustPolicyText(c.Context())
		if err == nil && len(content) == 0 {
			err = fmt.Errorf("%w: no trust policy is in force", registry.ErrInvalid)
		}
		if err != nil {
			return err
		}
		policy, err := trust.Parse("trust policy", content)
		if err != nil {
			return err
		}
		state, err := s.TrustState(c.Context())
		if err != nil {
			return err
		}
		next, r, err := policy.Rotate(statement, state, time.Now())
		if err == nil {
			err = s.SetTrustPolicy(c.Context(), next.Marshal())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "key %s takes the place of %s, which ends on %s\n", r.New.ID(), r.Old, r.OldUntil.UTC().Format(time.RFC3339))
		return err
	})
	return c
}

func newTrustImages() *cobra.Command {
	c := &cobra.Command{
		Use:   "images",
		Short: "Show what was found out about the signatures of images",
		Long:  "Show, for the images that the trust policy has a rule for, whose signatures were found when they came in a bundle.",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		list, err := s.ImageVerdicts(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "REPOSITORY\tDIGEST\tVERDICT")
		for _, v := range list {
			verdict := "signed by " + strings.Join(v.Signers, ", ")
			if !v.Verified {
				verdict = strings.Join(append([]string{"not signed"}, v.Problems...), ": ")
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", v.Repository, v.Digest, verdict)
		}
		return t.Flush()
	})
	return c
}
