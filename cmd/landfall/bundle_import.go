package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
)

func newBundleImport() *cobra.Command {
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Land a bundle in a site",
		Long: "Bring a bundle's content into a site. Names become visible when all of it is there.\n" +
			"Interrupted, it goes on where it stopped when it is called again.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := bundle.Open(args[0])
		if err != nil {
			return err
		}
		defer r.Close()
		s, err := flags.open(c.Context())
		if err != nil {
			return err
		}
		release, err := flags.hold(c.Context())
		if err != nil {
			return errors.Join(err, s.Close())
		}
		defer release()
		p := newProgress(c.ErrOrStderr(), "importing")
		err = bundle.Import(c.Context(), s, r, registry.CopyOptions{Progress: p.event})
		p.close()
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("import %s: %w", args[0], err)
		}
		return printImported(c, landed{args[0], r.Header().ID, p.moved(), p.skipped(), r.Header().Names}, *asJSON)
	}
	return c
}

// landed is what bundle import prints.
type landed struct {
	File    string        `json:"file"`
	ID      string        `json:"id"`
	Moved   int64         `json:"moved"`   // bytes that were new to the site
	Present int           `json:"present"` // blobs and manifests that it had
	Names   []bundle.Name `json:"names"`
}

func printImported(c *cobra.Command, l landed, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), l)
	}
	for _, n := range l.Names {
		fmt.Fprintf(c.OutOrStdout(), "%s\n", n.Name)
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %d names are at the site, %s were new\n", l.File, len(l.Names), size(l.Moved))
	return nil
}
