package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func newClusterRenew() *cobra.Command {
	return clusterVerb(&cobra.Command{
		Use:   "renew-certificates NAME",
		Short: "Make the certificates of a cluster's hosts new, one host after another",
		Long: "Make the certificates of a cluster's hosts new, control planes one after another, each proven before the next. Those of kubelets\n" +
			"renew themselves. 'landfall cluster get NAME' says which certificate ends first.",
	}, func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error) {
		return client.RenewCertificates(ctx, name)
	})
}

func newClusterDrift() *cobra.Command {
	c := &cobra.Command{
		Use:   "drift NAME",
		Short: "Say what of a cluster and its hosts is otherwise than its definition says; exit code 1 when something is",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		d, err := client.Drift(c.Context(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), d)
		} else {
			err = printDrift(c.OutOrStdout(), d)
		}
		if err == nil && d.Drifted {
			err = fmt.Errorf("cluster %s is not as definition %s says", args[0], d.Definition)
		}
		return err
	})
	return c
}

func printDrift(w io.Writer, d *clusters.Drift) (err error) {
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format+"\n", args...)
		}
	}
	if d.Problem != "" {
		line("the cluster could not be asked: %s", shown(d.Problem))
	}
	for _, h := range d.Hosts {
		if h.Problem != "" {
			line("host %s could not be asked: %s", h.Host, shown(h.Problem))
		}
		for _, f := range h.Files {
			line("host %s: file %s is %s", h.Host, shown(f.Path), f.State)
		}
		for _, i := range h.Images {
			line("host %s: image %s is not there, or not pinned", h.Host, shown(i))
		}
		for _, p := range h.Providers {
			line("host %s: provider %s", h.Host, shown(p))
		}
	}
	if d.Cluster != nil && err == nil && (d.Cluster.Drifted() || !d.Drifted) {
		_, err = io.WriteString(w, d.Cluster.String())
	}
	return err
}
