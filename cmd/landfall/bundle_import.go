package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

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
		r, err := bundle.Open(args[0])
		if err != nil {
			return err
		}
		defer r.Close()
		p := newProgress(c.ErrOrStderr(), "importing")
		err = flags.land(c.Context(), r, args[0], p)
		p.close()
		if err != nil {
			return fmt.Errorf("import %s: %w", args[0], err)
		}
		return printImported(c, landed{args[0], r.Header().ID, p.moved(), p.skipped(), r.Header().Names}, *asJSON)
	}
	return c
}

// land brings a bundle into the site. An appliance on this machine reads the
// file itself; to any other the content is sent.
func (f *siteFlags) land(ctx context.Context, r *bundle.Reader, file string, p *progress) error {
	s, server, err := f.find(ctx)
	if err != nil {
		return err
	}
	if s != nil {
		err := bundle.Import(ctx, s, r, registry.CopyOptions{Progress: p.event})
		return cmp.Or(err, s.Close())
	}
	if strings.HasPrefix(server, "unix://") {
		if err := f.handOver(ctx, server, file, p); !errors.Is(err, api.ErrUnseen) {
			return err
		}
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
