package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

func newClusterUpgrade() *cobra.Command {
	var to string
	var plan, stage, roll bool
	var rate byteRate
	c := &cobra.Command{
		Use:   "upgrade NAME --to DEFINITION (--plan | --stage | --run)",
		Short: "Bring a cluster to another definition without downtime",
		Long: "Bring a cluster to another definition of the site. --plan says what would change, on which hosts, in which order, what is\n" +
			"missing and what would block it. --stage brings all content to the hosts ahead of time. --run rolls: host by host, drained,\n" +
			"upgraded, proven and let back, and stops at the first one that does not get well.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&to, "to", "", "the definition, NAME:VERSION")
	c.Flags().BoolVar(&plan, "plan", false, "say what would be done, and do nothing")
	c.Flags().BoolVar(&stage, "stage", false, "bring content to the hosts only")
	c.Flags().BoolVar(&roll, "run", false, "do it")
	c.Flags().Var(&rate, "rate", "bytes per second that each host may pull at, like 10MiB; any without it")
	c.MarkFlagsMutuallyExclusive("plan", "stage", "run")
	c.MarkFlagsOneRequired("plan", "stage", "run")
	wait, asJSON := addWait(c), jsonFlag(c)
	_ = c.MarkFlagRequired("to")
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		if plan {
			p, err := client.PreviewUpgrade(c.Context(), args[0], to)
			if err != nil {
				return err
			}
			return printPreview(c.OutOrStdout(), p, *asJSON)
		}
		do := client.UpgradeCluster
		if stage {
			do = client.StageCluster
		}
		one, err := do(c.Context(), args[0], to, int64(rate))
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}

// byteRate is bytes per second.
type byteRate int64

func (r *byteRate) Set(text string) error {
	n, err := units.ParseSize(text)
	if err == nil && n <= 0 {
		err = errors.New("want more than 0")
	}
	*r = byteRate(n)
	return err
}

func (r *byteRate) String() string { return "" }

func (r *byteRate) Type() string { return "bytes" }

func printPreview(w io.Writer, p *clusters.Preview, asJSON bool) error {
	if asJSON {
		return printJSON(w, p)
	}
	fmt.Fprint(w, p.Preview)
	fmt.Fprintf(w, "\ngate      %s", p.Gate)
	if p.Lacking > 0 {
		fmt.Fprintf(w, ", %s are missing: 'landfall definition check --wants FILE' lists them", units.Bytes(p.Lacking))
	}
	fmt.Fprintln(w)
	for _, b := range p.Blockers {
		fmt.Fprintf(w, "blocks    %s\n", shown(b.String()))
	}
	if p.Problem != "" {
		fmt.Fprintf(w, "problem   %s\n", shown(p.Problem))
	}
	if p.Plan == nil {
		return nil
	}
	fmt.Fprintln(w)
	return printClusterPlan(w, p.Plan, false)
}

func printClusterPlan(w io.Writer, p *cluster.Plan, asJSON bool) error {
	if asJSON {
		return printJSON(w, p)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "WAVE\tPHASE\tSTEP")
	for i, wave := range p.Waves {
		for _, s := range wave.Steps {
			fmt.Fprintf(t, "%d\t%s\t%s\n", i+1, wave.Phase, shown(s.Title))
		}
	}
	return t.Flush()
}

// clusterVerb makes a verb that changes one cluster.
func clusterVerb(c *cobra.Command, do func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error)) *cobra.Command {
	c.Args = cobra.ExactArgs(1)
	flags := addSiteFlags(c)
	wait, asJSON := addWait(c), jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		one, err := do(c.Context(), client, args[0])
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}

func newClusterRollback() *cobra.Command {
	var snapshot bool
	c := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Bring a cluster back to the definition before",
		Long: "Bring a cluster back to the definition that a stopped upgrade came from, else to the previous one: its add-ons, then its\n" +
			"hosts. A control plane cannot go back to an earlier minor version of Kubernetes but by the snapshot of etcd that was taken\n" +
			"before the upgrade; with --restore-snapshot that is done, and everything that was written to the cluster since is lost.",
	}
	c.Flags().BoolVar(&snapshot, "restore-snapshot", false, "restore the control plane from the snapshot before the upgrade; what was written since is lost")
	return clusterVerb(c, func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error) {
		return client.RollbackCluster(ctx, name, snapshot)
	})
}

func newClusterResume() *cobra.Command {
	return clusterVerb(&cobra.Command{Use: "resume NAME", Short: "Let what was paused or has stopped go on, at the step that failed"},
		func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error) {
			return client.ResumeCluster(ctx, name)
		})
}

func newClusterPause() *cobra.Command {
	return clusterVerb(&cobra.Command{Use: "pause NAME", Short: "Let what is being done wait as soon as the steps that were begun are done"},
		func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error) {
			return client.PauseCluster(ctx, name)
		})
}

func newClusterDelete() *cobra.Command {
	var force bool
	c := &cobra.Command{Use: "delete NAME", Short: "Take a cluster apart: its hosts are cleaned, content stays"}
	c.Flags().BoolVar(&force, "force", false, "let hosts go that are away, as they are")
	return clusterVerb(c, func(ctx context.Context, client *api.Client, name string) (*clusters.Cluster, error) {
		return client.DeleteCluster(ctx, name, force)
	})
}

func newClusterKubeconfig() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "kubeconfig NAME",
		Short: "Write a file with which an administrator speaks to a cluster with kubectl, for a year",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&out, "output", "o", "", "write it to this `file`, for its owner alone; standard output without it")
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		content, err := client.Kubeconfig(c.Context(), args[0])
		if err != nil {
			return err
		}
		if out == "" {
			_, err := io.WriteString(c.OutOrStdout(), content+"\n")
			return err
		}
		return durable.WriteFile(out, []byte(content+"\n"), 0o600)
	})
	return c
}
