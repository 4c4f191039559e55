package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func newContentBackup() *cobra.Command {
	c := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy a site's content to a folder, only what is new",
		Long: "Bring the folder DIR on this machine level with the site, which goes on serving. Only blobs that the folder\n" +
			"does not have are moved. Until it is complete, the folder holds the previous backup.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, args []string) error {
		b, err := store.Backup(c.Context(), s, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), b)
		} else {
			printUnproven(c.OutOrStdout(), b.Damaged)
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d blobs, %s (%s moved)\n", args[0], b.Blobs, size(b.Bytes), size(b.Moved))
		}
		return unproven(err, b.Damaged)
	})
	return c
}

func newContentRestore() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restore DIR",
		Short: "Make a site from a backup, and prove every digest",
		Args:  cobra.ExactArgs(1),
	}
	addDataFlag(c, &data)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := store.Restore(c.Context(), args[0], data)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), r)
		} else {
			printUnproven(c.OutOrStdout(), r.Damaged)
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: the site of %s: %d blobs, %s, %d not whole\n",
				data, r.Created.Format("2006-01-02 15:04 MST"), r.Blobs, size(r.Bytes), len(r.Damaged))
		}
		return unproven(err, r.Damaged)
	}
	return c
}

func printUnproven(w io.Writer, list []store.Unproven) {
	for _, u := range list {
		fmt.Fprintf(w, "not whole: %s: %s\n", u.Digest, u.Cause)
	}
}

// unproven makes damage an ErrDigest, which the exit code tells.
func unproven(err error, list []store.Unproven) error {
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%w: %d blobs are not whole; the rest is done", registry.ErrDigest, len(list))
	}
	return err
}
