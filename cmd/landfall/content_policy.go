package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry/retention"
)

func newContentPolicy() *cobra.Command {
	var set string
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show the retention policy, or put another in force",
		Long: `Show the policy that is in force, or put another in force: immutable tags and
quotas count at once, what is kept when 'landfall content retain' runs. Try it
first with 'landfall content retain --dry-run --policy FILE'.

    version: 1
    rules:                  # the first that matches a repository decides
      - repositories: ["docker.io/library/*", "registry.local/team/**"]
        keep:               # any of these; without keep, all
          last: 5           # that many tags, those that changed last
          tags: ["v1\\..*"] # expressions over whole tags
          semver: ">=1.2 <3"
          younger: 30d      # since the last change
        immutable: ["v.*"]  # tags that may neither move nor go
    quotas:
      - prefix: registry.local/team
        size: 50GiB`,
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&set, "set", "", "put the policy in this YAML or JSON `file` in force; an empty file ends the last")
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		if !c.Flags().Changed("set") {
			return showPolicy(c, s)
		}
		content, err := readPolicy(set)
		if err == nil {
			err = s.SetPolicy(c.Context(), content)
		}
		if err == nil {
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is in force; 'landfall content retain' removes the tags that it does not keep\n", set)
		}
		return err
	})
	return c
}

// readPolicy reads a policy and checks it here, where its file has a name.
func readPolicy(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err == nil && len(content) > 0 {
		_, err = retention.Parse(path, content)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return content, nil
}

func showPolicy(c *cobra.Command, s managed) error {
	content, err := s.Policy(c.Context())
	if err == nil && len(content) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), noPolicy)
	}
	if err == nil {
		_, err = c.OutOrStdout().Write(content)
	}
	return err
}

const noPolicy = "no policy is in force: every tag is kept; 'landfall content policy --set FILE' sets one"
