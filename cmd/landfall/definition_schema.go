package main

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/profile"
)

func newDefinitionSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a profile, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(profile.Schema())
			return err
		},
	}
}
