package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func newClusterScale() *cobra.Command {
	var file string
	var adds, removes []string
	var force, planOnly bool
	c := &cobra.Command{
		Use:   "scale NAME (-f FILE | --add HOST[=POOL]… --remove HOST…)",
		Short: "Add hosts and pools to a cluster, and take them out",
		Long: "Give a cluster other hosts or pools: those of FILE, a document of the same cluster, or with --add and --remove. New hosts are\n" +
			"checked, get all content and join; then hosts that go are drained, taken out and cleaned. POOL is control-plane or the name\n" +
			"of a pool of workers. A dead host is replaced with --remove DEAD --force --add NEW=control-plane: it leaves as it is, as long\n" +
			"as the control plane keeps its majority without it.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&file, "file", "f", "", "the cluster's document with other hosts or pools; '-' for standard input")
	c.Flags().StringArrayVar(&adds, "add", nil, "a host that joins, as `HOST[=POOL]`")
	c.Flags().StringArrayVar(&removes, "remove", nil, "a `host` that leaves")
	c.Flags().BoolVar(&force, "force", false, "let hosts leave that are away, as they are, and pods go that nobody will make again")
	c.Flags().BoolVar(&planOnly, "plan", false, "say what would be done, and do nothing")
	c.MarkFlagsMutuallyExclusive("file", "add")
	c.MarkFlagsMutuallyExclusive("file", "remove")
	c.MarkFlagsOneRequired("file", "add", "remove")
	wait, asJSON := addWait(c), jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		request := clusters.ScaleRequest{Resize: plan.Resize{Remove: removes}, Force: force}
		for _, text := range adds {
			a, err := parseAdded(text)
			if err != nil {
				return err
			}
			request.Add = append(request.Add, a)
		}
		if file != "" {
			document, err := readCluster(c.InOrStdin(), file, "")
			if err != nil {
				return err
			}
			request.Document = document.Document
		}
		if planOnly {
			p, err := client.PlanScale(c.Context(), args[0], request)
			if err != nil {
				return err
			}
			return printClusterPlan(c.OutOrStdout(), p, *asJSON)
		}
		one, err := client.ScaleCluster(c.Context(), args[0], request)
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}

func parseAdded(text string) (plan.Added, error) {
	name, pool, named := strings.Cut(text, "=")
	if name == "" || named && pool == "" {
		return plan.Added{}, usageError{fmt.Errorf("--add %q: want HOST or HOST=POOL", text)}
	}
	return plan.Added{Host: name, Pool: pool}, nil
}
