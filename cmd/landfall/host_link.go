package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/inventory"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/lifecycle/host/runtime"
)

// hostData is where a host's agent keeps what it knows.
const hostData = "/var/lib/landfall-host"

func addHostData(c *cobra.Command, data *string) {
	at := os.Getenv("LANDFALL_HOST_DATA")
	if at == "" {
		at = hostData
	}
	c.Flags().StringVar(data, "data", at, "data `folder` of this host's agent (LANDFALL_HOST_DATA)")
}

// readInventory reads what this machine is. providers may be nil.
func readInventory(r *runtime.Runtime, providers func() []host.Installed) func(ctx context.Context) host.Inventory {
	return func(ctx context.Context) host.Inventory {
		return inventory.Read(ctx, inventory.Options{Runtime: r.Status, Providers: providers})
	}
}

// linkFlags are how a host is linked.
type linkFlags struct {
	server, name string
}

func (f *linkFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.server, "server", "", "the appliance's address for hosts, https://HOST:PORT; without it the appliance is looked for on this machine's networks (mDNS)")
	c.Flags().StringVar(&f.name, "name", "", "what the host is to be called; its own name without it")
}

// called is what the host is to be called.
func (f *linkFlags) called() (string, error) {
	name := f.name
	if name == "" {
		own, err := os.Hostname()
		if err != nil {
			return "", err
		}
		name, _, _ = strings.Cut(own, ".")
	}
	return strings.ToLower(name), nil
}

// link links this machine with a token.
func (f *linkFlags) link(ctx context.Context, data, token string) (*link.Client, error) {
	t, err := link.ParseToken(token)
	if err != nil {
		return nil, usageError{err}
	}
	name, err := f.called()
	if err != nil {
		return nil, err
	}
	return link.Link(ctx, data, link.Options{Server: f.server, Token: t, Name: name, Version: version(), Inventory: readInventory(runtime.New(runtime.Options{}), nil)(ctx)})
}

func newHostLink() *cobra.Command {
	var data string
	var f linkFlags
	c := &cobra.Command{
		Use:   "link TOKEN",
		Short: "Link this machine to an appliance, with a token that 'landfall host token' has made there",
		Long: "Link this machine to an appliance, on which 'landfall host token' has made the token. The token carries a hash of the site's\n" +
			"authority: nobody else is believed. Without --server the appliance that has made the token is looked for on this machine's networks.\n" +
			"The agent, 'landfall serve --role host', goes to work as soon as the machine is linked.",
		Args: cobra.ExactArgs(1),
	}
	addHostData(c, &data)
	f.add(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		l, err := f.link(c.Context(), data, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), l.Info())
		}
		i := l.Info()
		_, err = fmt.Fprintf(c.OutOrStdout(), "linked to site %s as %s (%s)\n", i.Site, i.Name, i.ID)
		return err
	}
	return c
}
