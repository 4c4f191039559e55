package main

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/backup"
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
		b, err := makeBackup(c, s, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), b)
		} else {
			printUnproven(c.OutOrStdout(), b.Damaged)
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d blobs, %s (%s moved)\n", args[0], b.Blobs, units.Bytes(b.Bytes), units.Bytes(b.Moved))
		}
		return unproven(err, b.Damaged)
	})
	return c
}

// backup shows where a person watches how much was moved.
func makeBackup(c *cobra.Command, s managed, dir string) (*backup.Report, error) {
	p := newCounter(c.ErrOrStderr(), "moving")
	defer p.close()
	return backup.Make(c.Context(), countedSource{s, p}, dir)
}

// countedSource counts the bytes of blobs that are read from it.
type countedSource struct {
	backup.Source
	progress *progress
}

func (s countedSource) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	r, err := s.Source.BlobBytes(ctx, d)
	if err != nil {
		return nil, err
	}
	return countedReader{r, s.progress}, nil
}

type countedReader struct {
	io.ReadCloser
	progress *progress
}

func (r countedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.progress.add(int64(n))
	return n, err
}

func newContentRestore() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restore DIR",
		Short: "Make a site from a backup, and prove every digest",
		Long: "Make the site in the data folder, which must not hold one, from the backup in the folder DIR. Interrupted,\n" +
			"run it again: it goes on. What the backup does not have whole is named and will be in quarantine; the rest\n" +
			"serves.",
		Args: cobra.ExactArgs(1),
	}
	addDataFlag(c, &data)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p := newProgress(c.ErrOrStderr(), "proving")
		r, err := backup.Restore(c.Context(), args[0], data, backup.RestoreOptions{Progress: p.at})
		p.close()
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), r)
		} else {
			printUnproven(c.OutOrStdout(), r.Damaged)
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: the site as of %s: %d blobs, %s\n",
				data, r.Created.Format("2006-01-02 15:04 MST"), r.Blobs, units.Bytes(r.Bytes))
		}
		return unproven(err, r.Damaged)
	}
	return c
}

func printUnproven(w io.Writer, list []backup.Unproven) {
	for _, u := range list {
		fmt.Fprintf(w, "not whole: %s: %s\n", u.Digest, u.Cause)
	}
}

// unproven makes damage an ErrDigest, which the exit code tells.
func unproven(err error, list []backup.Unproven) error {
	if err == nil && len(list) > 0 {
		what := list[0].Digest.String() + " is not whole"
		if len(list) > 1 {
			what = fmt.Sprintf("%s and %d more are not whole", list[0].Digest, len(list)-1)
		}
		err = fmt.Errorf("%w: %s; the rest is done", registry.ErrDigest, what)
	}
	return err
}
