package main

import (
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/sync/config"
)

func newSyncSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of mirror.yaml, for editors",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Schema)
			return err
		},
	}
}
