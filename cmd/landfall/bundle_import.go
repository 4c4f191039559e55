package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/ui/api"
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
		p := newProgress(c.ErrOrStderr(), "importing")
		header, err := flags.land(c.Context(), args[0], p)
		p.close()
		if err != nil {
			return err
		}
		return printImported(c, landed{args[0], header.ID, p.moved(), p.skipped(), header.Names}, *asJSON)
	}
	return c
}

// land brings a bundle into the site and returns its header. An appliance on
// this machine reads the file itself; to any other the content is sent.
func (f *siteFlags) land(ctx context.Context, file string, p *progress) (*bundle.Header, error) {
	handedOver := false
	if server := f.appliance(ctx); server != "" {
		err := f.handOver(ctx, server, file, p)
		if handedOver = err == nil; !handedOver && !errors.Is(err, api.ErrUnseen) {
			return nil, fmt.Errorf("import %s: %w", file, err)
		}
	}
	r, err := bundle.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if !handedOver {
		if err := f.copy(ctx, r, p); err != nil {
			return nil, fmt.Errorf("import %s: %w", file, err)
		}
	}
	return r.Header(), nil
}

// copy copies a bundle's content into the store, or to an appliance.
func (f *siteFlags) copy(ctx context.Context, r *bundle.Reader, p *progress) error {
	s, server, err := f.find(ctx)
	if err != nil {
		return err
	}
	if s != nil {
		err := bundle.Import(ctx, s, r, registry.CopyOptions{Progress: p.event})
		return cmp.Or(err, s.Close())
	}
	return f.send(ctx, server, r, p)
}

func (f *siteFlags) handOver(ctx context.Context, server, file string, p *progress) error {
	client, err := api.NewClient(api.ClientOptions{Server: server, CAFile: f.ca})
	if err != nil {
		return err
	}
	defer client.Close()
	done, err := client.ImportBundle(ctx, file, p.importing)
	if err == nil {
		p.importing(*done)
	}
	return err
}

// send sends a bundle's content to a registry, and tells it, if it is an
// appliance, for how long.
func (f *siteFlags) send(ctx context.Context, server string, r *bundle.Reader, p *progress) error {
	s, err := remote.New(remote.Options{Server: server, CAFile: f.ca})
	if err != nil {
		return err
	}
	defer s.Close()
	release, err := f.hold(ctx, server)
	if err != nil {
		return err
	}
	defer release()
	return bundle.Import(ctx, s, r, registry.CopyOptions{Progress: p.event})
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
	fmt.Fprintf(c.OutOrStdout(), "%s: %d names are at the site, %s were new\n", l.File, len(l.Names), units.Bytes(l.Moved))
	return nil
}
