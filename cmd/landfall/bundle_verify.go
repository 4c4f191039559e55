package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

func newBundleVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Prove every byte of a bundle",
		Args:  cobra.ExactArgs(1),
	}
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
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
		v := verified{args[0], h.ID, r.Size(), len(h.Names), len(h.Blobs), len(h.Manifests)}
		if *asJSON {
			return printJSON(c.OutOrStdout(), v)
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: whole: %d names, %d blobs and %d manifests, %s\n", v.File, v.Names, v.Blobs, v.Manifests, units.Bytes(v.Size))
		return nil
	}
	return c
}

// verified is what bundle verify prints of a bundle that is whole.
type verified struct {
	File      string `json:"file"`
	ID        string `json:"id"`
	Size      int64  `json:"size"` // bytes of the file
	Names     int    `json:"names"`
	Blobs     int    `json:"blobs"`
	Manifests int    `json:"manifests"`
}
