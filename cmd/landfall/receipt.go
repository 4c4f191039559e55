package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/receipt"
	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
)

func newReceipt() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "receipt",
		Short: "Write down what a site has, for the next bundle",
		Long: "Write a signed list of what the site has. Carried back, it lets 'landfall bundle create --for FILE' leave that\n" +
			"out. The first line that is printed names the site's key: who makes bundles should know it, and name it with --site.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if output == "" {
			return usageError{errors.New("name the file to write with -o FILE")}
		}
		if err := flags.writeReceipt(c.Context(), output); err != nil {
			return err
		}
		r, size, err := readReceipt(output)
		if err != nil {
			return err
		}
		return printReceipt(c, writtenReceipt{output, r.Site, size, len(r.Blobs), len(r.Manifests), r.Channels}, *asJSON)
	}
	return c
}

// writtenReceipt is what receipt prints.
type writtenReceipt struct {
	File      string           `json:"file"`
	Site      string           `json:"site"`
	Size      int64            `json:"size"` // bytes of the file
	Blobs     int              `json:"blobs"`
	Manifests int              `json:"manifests"`
	Channels  map[string]int64 `json:"channels"`
}

func printReceipt(c *cobra.Command, w writtenReceipt, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), w)
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: site %s has %d blobs and %d manifests (%s)\n", w.File, w.Site, w.Blobs, w.Manifests, units.Bytes(w.Size))
	return err
}

func (f *siteFlags) writeReceipt(ctx context.Context, output string) error {
	if err := f.mustExist(); err != nil {
		return err
	}
	s, server, err := f.find(ctx)
	if err != nil {
		return err
	}
	if s != nil {
		err := replaceFile(output, func(w io.Writer) error { return api.WriteReceipt(ctx, s, w) })
		return errors.Join(err, s.Close())
	}
	client, err := f.dial(server)
	if err != nil {
		return err
	}
	defer client.Close()
	content, err := client.Receipt(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	return replaceFile(output, func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
}

// replaceFile gives a file new content, whole or not at all.
func replaceFile(path string, write func(io.Writer) error) error {
	partial := path + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return err
	}
	err = write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = durable.Rename(partial, path)
	}
	if err != nil {
		os.Remove(partial)
		return fmt.Errorf("%s: %w", path, registry.DiskError(err))
	}
	return nil
}

func readReceipt(path string) (*receipt.Receipt, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	r, err := receipt.Read(f)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return r, info.Size(), nil
}

// baseFlags say what a bundle can do without.
type baseFlags struct {
	receipt, since string
	sites          []string
}

func (b *baseFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&b.receipt, "for", "", "leave out what the site of this receipt `file` has")
	c.Flags().StringVar(&b.since, "since", "", "leave out what this bundle `file` carries")
	c.Flags().StringArrayVar(&b.sites, "site", nil, "accept receipts with this site's `key` only: a PEM file, or the id that 'landfall receipt' printed; may be repeated")
}

// apply reads what is there, and whose it is.
func (b *baseFlags) apply(to *bundle.CreateOptions) error {
	var have []func(digest.Digest) bool
	if b.receipt != "" {
		r, _, err := readReceipt(b.receipt)
		if err != nil {
			return err
		}
		if err := b.expect(r); err != nil {
			return err
		}
		to.For = r.Site
		have = append(have, r.Have())
	}
	if b.since != "" {
		r, err := bundle.Open(b.since)
		if err != nil {
			return err
		}
		have = append(have, r.Header().Has())
		if err := r.Close(); err != nil {
			return err
		}
	}
	if len(have) > 0 {
		to.Have = func(d digest.Digest) bool {
			for _, has := range have {
				if has(d) {
					return true
				}
			}
			return false
		}
	}
	return nil
}

// expect refuses the receipt of another site than was named.
func (b *baseFlags) expect(r *receipt.Receipt) error {
	for _, site := range b.sites {
		if site == r.Site {
			return nil
		}
		if _, err := os.Stat(site); err != nil {
			continue // an id
		}
		k, err := readAnyKey(site)
		if err != nil {
			return err
		}
		if k.ID() == r.Site {
			return nil
		}
	}
	if len(b.sites) > 0 {
		return fmt.Errorf("%s: %w: it is of site %s, which --site does not name", b.receipt, registry.ErrUntrusted, r.Site)
	}
	return nil
}
