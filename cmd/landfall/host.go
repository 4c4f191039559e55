package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/found"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/hosts"
)

func newHostLs() *cobra.Command {
	c := &cobra.Command{
		Use:   "ls",
		Short: "List the hosts that are linked to an appliance",
		Long: "List the hosts that are linked to an appliance; with --found the machines on the networks of this one whose agents run and are not\n" +
			"linked, as they say themselves by mDNS: what they say is proven by nothing until they are linked.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	unlinked := c.Flags().Bool("found", false, "list machines that are not linked, as this machine's networks have them (mDNS)")
	ls := flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		list, err := client.LinkedHosts(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), append([]host.Host{}, list...))
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tSTATE\tADDRESS\tPLATFORM\tCLUSTER\tRUNTIME\tMEMORY\tOS\tSEEN")
		for _, h := range list {
			i := h.Inventory
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, hostState(h), cmp.Or(h.Address, "-"), cmp.Or(shown(i.Platform), "-"), cmp.Or(h.Cluster, "-"),
				cmp.Or(shown(i.Runtime.Name+" "+i.Runtime.Version), "-"), units.Bytes(i.Hardware.Memory), cmp.Or(shown(i.OS), "-"), units.Ago(time.Since(h.Seen)))
		}
		return t.Flush()
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if !*unlinked {
			return ls(c, args)
		}
		list, err := found.Browse(c.Context(), found.Host, found.BrowseOptions{})
		if err != nil {
			return err
		}
		return printFound(c.OutOrStdout(), list, *asJSON)
	}
	return c
}

// foundHost is a machine that is not linked, as it says.
type foundHost struct {
	Name      string       `json:"name"`
	MachineID string       `json:"machineID"`
	Version   string       `json:"version"`
	Addresses []netip.Addr `json:"addresses"`
}

func printFound(w io.Writer, entries []found.Entry, asJSON bool) error {
	list := []foundHost{}
	for _, e := range entries {
		list = append(list, foundHost{e.Text[found.Name], e.Text[found.Machine], e.Text[found.Version], e.Addresses})
	}
	if asJSON {
		return printJSON(w, list)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tMACHINE\tVERSION\tADDRESSES")
	for _, h := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", shown(h.Name), shown(h.MachineID), shown(h.Version), strings.Trim(fmt.Sprint(h.Addresses), "[]"))
	}
	return t.Flush()
}

func hostState(h host.Host) string {
	if h.Online {
		return "online"
	}
	return "away"
}

func newHostShow() *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "Tell of a linked host: hardware, disks, networks, time, kernel, runtime, providers, health", Args: cobra.ExactArgs(1)}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		h, err := client.LinkedHost(c.Context(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), h)
		}
		return showHost(c.OutOrStdout(), h)
	})
	return c
}

func showHost(w io.Writer, h host.Host) error {
	i := h.Inventory
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t%s\n", h.Name, hostState(h))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, shown(fmt.Sprintf(format, args...)))
	}
	line("id", "%s, linked %s, certificate until %s", h.ID, h.Linked.Format(time.DateOnly), h.Expires.Format(time.DateOnly))
	line("address", "%s", cmp.Or(h.Address, "-"))
	line("cluster", "%s", cmp.Or(h.Cluster, "-"))
	line("hardware", "%s %s, %d cores, %s", i.Hardware.Vendor, i.Hardware.Product, i.Hardware.Cores, units.Bytes(i.Hardware.Memory))
	line("system", "%s, %s, kernel %s, cgroup v%d", i.OS, i.Platform, i.Kernel.Release, i.Kernel.Cgroup)
	line("machine", "id %s, clock %d ms ahead, synchronized %t", i.MachineID, i.Time.Offset, i.Time.Synchronized)
	line("runtime", "%s %s, ready %t, %d images, %d pinned", cmp.Or(i.Runtime.Name, "none"), i.Runtime.Version, i.Runtime.Ready, i.Runtime.Images, i.Runtime.Pinned)
	for _, d := range i.Disks {
		line("disk", "%s: %s of %s free (%s)", d.Path, units.Bytes(d.Free), units.Bytes(d.Size), d.Type)
	}
	for _, n := range i.Networks {
		line("network", "%s %s %v", n.Name, n.MAC, n.Addresses)
	}
	for _, p := range i.Providers {
		state := "kept"
		if p.Current {
			state = "in place"
		}
		line("provider", "%s %s, %s", p.Name, p.Version, state)
	}
	for _, f := range i.Health {
		line(string(f.Severity), "%s", f.Text)
	}
	return t.Flush()
}

func newHostToken() *cobra.Command {
	var ttl string
	c := &cobra.Command{
		Use:   "token",
		Short: "Make a token with which one host can be linked, once and soon",
		Long: "Make a token with which one host can be linked, once and within 15 minutes, or --ttl. It carries a hash of the site's authority,\n" +
			"so that the host believes nobody else. What to run on the host is printed with it.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&ttl, "ttl", "", "for how long it is valid, 1m to 24h (default 15m)")
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		t, err := client.MakeHostToken(c.Context(), ttl)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), t)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n\nvalid until %s; on the host:\n\n  %s\n", t.Secret, t.Expires.Local().Format(time.TimeOnly), t.Command)
		return err
	})
	c.AddCommand(newHostTokenLs(), newHostTokenRevoke())
	return c
}

func newHostTokenLs() *cobra.Command {
	c := &cobra.Command{Use: "ls", Short: "List open tokens, without their secrets", Args: cobra.NoArgs}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		list, err := client.HostTokens(c.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), append([]hosts.Token{}, list...))
		}
		t := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tMADE BY\tVALID UNTIL")
		for _, one := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\n", one.ID, shown(one.Maker), one.Expires.Local().Format(time.DateTime))
		}
		return t.Flush()
	})
	return c
}

func newHostTokenRevoke() *cobra.Command {
	c := &cobra.Command{Use: "revoke ID", Short: "Make an open token good for nothing", Args: cobra.ExactArgs(1)}
	flags := addSiteFlags(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		return client.RevokeHostToken(c.Context(), args[0])
	})
	return c
}

func newHostUnlink() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "unlink NAME",
		Short: "Take a host out; its agent takes away all that was put on the machine",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&force, "force", false, "also while it belongs to a cluster")
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		return client.UnlinkHost(c.Context(), args[0], force)
	})
	return c
}
