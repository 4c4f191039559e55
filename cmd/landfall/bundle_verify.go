package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
)

func newBundleVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Prove every byte of a bundle",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := bundle.Open(args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			p := newProgress(c.ErrOrStderr(), "verifying")
			p.event(registry.Event{Kind: registry.Planned, Bytes: r.Size()})
			err = r.Verify(c.Context(), func(n int64) { p.event(registry.Event{Kind: registry.Advanced, Bytes: n}) })
			p.close()
			if err != nil {
				return err
			}
			h := r.Header()
			fmt.Fprintf(c.OutOrStdout(), "%s: whole: %d names, %d blobs and %d manifests, %s\n",
				args[0], len(h.Names), len(h.Blobs), len(h.Manifests), size(r.Size()))
			return nil
		},
	}
}
