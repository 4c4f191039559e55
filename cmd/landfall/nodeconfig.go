package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
)

func newNodeConfig() *cobra.Command {
	c := group("node-config", "Write what hosts need to pull from the site by original names")
	for _, kind := range nodeconfig.Kinds() {
		c.AddCommand(newNodeConfigKind(kind))
	}
	return c
}

func newNodeConfigKind(kind nodeconfig.Kind) *cobra.Command {
	var opts nodeconfig.Options
	var ca, output string
	c := &cobra.Command{
		Use:   string(kind),
		Short: "Write the files that go to " + nodeconfig.Folder(kind),
		Args:  cobra.NoArgs,
	}
	c.Flags().StringVar(&opts.Registry, "registry", "", "`URL` at which hosts reach the site")
	c.Flags().StringArrayVar(&opts.Upstreams, "upstream", nil, "`host` in original names, like quay.io; may be repeated")
	c.Flags().StringVar(&ca, "ca", "", "PEM `file` that the site's certificate is checked with")
	c.Flags().StringVarP(&output, "output", "o", "", "`folder` to write to")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if output == "" {
			return usageError{errors.New("name the folder to write to with -o DIR")}
		}
		if ca != "" {
			content, err := os.ReadFile(ca)
			if err != nil {
				return usageError{err}
			}
			opts.CA = content
		}
		files, err := nodeconfig.Files(kind, opts)
		if err != nil {
			return usageError{err}
		}
		if err := nodeconfig.Write(output, files); err != nil {
			return err
		}
		for _, f := range files {
			fmt.Fprintln(c.OutOrStdout(), filepath.Join(output, f.Path))
		}
		return nil
	}
	return c
}
