package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry/store"
)

// planned is what a dry run prints as JSON.
type planned struct {
	*store.Collected
	Kept []store.Kept `json:"kept"`
}

func newContentCollect() *cobra.Command {
	var dryRun, now bool
	c := &cobra.Command{
		Use:   "collect",
		Short: "Free what no name, pin or signature needs any more",
		Long: "Take out of the site what nothing keeps, while pushes, pulls and imports go on. It goes to the trash first:\n" +
			"'landfall content undo' brings it back until it is erased. What somebody was told is here within the last\n" +
			"hour stays. Interrupted, the next collection does the rest.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	addStoreFlags(c, &flags.store)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing; say what would go, and why the rest stays")
	c.Flags().BoolVar(&now, "now", false, "erase at once, also what is in the trash: there is no undo")
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		if err := ownsStoreFlags(c, s); err != nil {
			return err
		}
		kept := []store.Kept{}
		opts := store.CollectOptions{DryRun: dryRun, Now: now}
		if dryRun {
			opts.Kept = func(k store.Kept) { kept = append(kept, k) }
		}
		report, err := s.Collect(c.Context(), opts)
		switch {
		case err != nil:
			return err
		case *asJSON && dryRun:
			return printJSON(c.OutOrStdout(), planned{report, kept})
		case *asJSON:
			return printJSON(c.OutOrStdout(), report)
		}
		return printCollected(c.OutOrStdout(), report, kept)
	})
	return c
}

// ownsStoreFlags refuses the options of a store that an appliance has opened
// with its own.
func ownsStoreFlags(c *cobra.Command, s managed) error {
	_, local := s.(*store.Store)
	if !local && (c.Flags().Changed("lease") || c.Flags().Changed("trash")) {
		return usageError{fmt.Errorf("--lease and --trash are the appliance's, which has the data folder: set them with 'landfall serve'")}
	}
	return nil
}

func printCollected(w io.Writer, r *store.Collected, kept []store.Kept) error {
	for _, k := range kept {
		fmt.Fprintf(w, "keep %s@%s: %s\n", k.Repository, k.Digest, k.Reason)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "REPOSITORY\tKEPT\tFREED\tMANIFESTS FREED\tBLOBS FREED")
	for _, l := range r.Repositories {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d of %d\t%d of %d\n", l.Repository, units.Bytes(l.KeptBytes), units.Bytes(l.FreedBytes),
			l.FreedManifests, l.FreedManifests+l.KeptManifests, l.FreedBlobs, l.FreedBlobs+l.KeptBlobs)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.DryRun {
		fmt.Fprintf(w, "%s would go to the trash (%d manifests, %d blobs)\n", units.Bytes(r.Bytes), r.Manifests, r.Blobs)
	} else {
		fmt.Fprintf(w, "%s taken out (%d manifests, %d blobs), %s freed on the disk\n", units.Bytes(r.Bytes), r.Manifests, r.Blobs, units.Bytes(r.Erased.Bytes))
	}
	if r.Trash.Blobs > 0 {
		fmt.Fprintf(w, "in the trash: %d blobs, %s; to be erased from %s on ('landfall content undo' brings it back, 'landfall content collect --now' erases it)\n",
			r.Trash.Blobs, units.Bytes(r.Trash.Bytes), r.Trash.Next.Format("2006-01-02 15:04 MST"))
	}
	return nil
}

func newContentUndo() *cobra.Command {
	c := &cobra.Command{
		Use:   "undo",
		Short: "Bring back what collection and retention took out",
		Long: "Put what is in the trash back where collection and retention took it from. Tag or pin what shall stay: what\n" +
			"nothing keeps goes with a later collection again.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		r, err := s.Undo(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), r)
		}
		if r == (store.Restored{}) {
			_, err = fmt.Fprintln(c.OutOrStdout(), "nothing to bring back")
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d tags, %d manifests and %d blobs are back; tag or pin what shall stay\n", r.Tags, r.Manifests, r.Blobs)
		return err
	})
	return c
}
