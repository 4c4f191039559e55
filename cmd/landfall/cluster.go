package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	clusterrun "github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// addWait adds the flag that waits for a run's end.
func addWait(c *cobra.Command) *bool {
	return c.Flags().Bool("wait", false, "wait for the end, and tell each step on standard error")
}

func newClusterGet() *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "get [NAME]",
		Short: "List clusters, or tell of one: its phase, steps, why it stopped and what to do next",
		Args:  cobra.MaximumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow what is being done to it until that ends; with --json each change is a line")
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		if len(args) == 0 {
			return listClusters(c, client, *asJSON)
		}
		one, err := client.Cluster(c.Context(), args[0])
		if err != nil {
			return err
		}
		if watch {
			w := &watcher{command: c, client: client, asJSON: *asJSON, out: c.OutOrStdout()}
			one, err = w.follow(one)
			return errors.Join(err, endOf(one))
		}
		return showCluster(c.OutOrStdout(), one, *asJSON)
	})
	return c
}

func listClusters(c *cobra.Command, client *api.Client, asJSON bool) error {
	list, err := client.Clusters(c.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), append([]clusters.Cluster{}, list...))
	}
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPHASE\tRUNNING\tPREVIOUS\tSTAGED\tHOSTS\tENDPOINT\tREASON")
	for _, one := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", one.Name, one.Phase, cmp.Or(one.Running, "-"), cmp.Or(one.Previous, "-"), cmp.Or(one.Staged, "-"),
			len(one.Spec.Hosts()), cmp.Or(one.Endpoint, "-"), cmp.Or(shown(one.Reason), "-"))
	}
	return t.Flush()
}

func showCluster(w io.Writer, one *clusters.Cluster, asJSON bool) error {
	if asJSON {
		return printJSON(w, one)
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%s\t%s\n", one.Name, one.Phase)
	for _, line := range [][2]string{{"reason", one.Reason}, {"next", one.Next}, {"running", one.Running}, {"previous", one.Previous}, {"staged", one.Staged}, {"endpoint", one.Endpoint}} {
		if line[1] != "" {
			fmt.Fprintf(t, "  %s\t%s\n", line[0], shown(line[1]))
		}
	}
	if e := one.Certificates; e != nil {
		fmt.Fprintf(t, "  certificates\tvalid until %s (%s of host %s)\n", e.Ends.Local().Format(time.DateTime), shown(e.Certificate), e.Host)
	}
	if err := t.Flush(); err != nil || one.Run == nil {
		return err
	}
	r := one.Run
	fmt.Fprintf(w, "\n%s %s: %s, %d of %d steps\n", r.Kind, r.ID, r.State, r.Done, r.Total)
	fmt.Fprintln(t, "PHASE\tSTEP\tSTATE\tTOOK\tNOW")
	for _, s := range r.Steps {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Phase, shown(s.Title), cmp.Or(string(s.State), "-"), stepTook(s), shown(cmp.Or(s.Reason, s.Now, "-")))
	}
	return t.Flush()
}

func stepTook(s clusters.StepStatus) string {
	switch {
	case s.Began.IsZero():
		return "-"
	case s.Ended.IsZero():
		return time.Since(s.Began).Round(time.Second).String()
	}
	return s.Ended.Sub(s.Began).Round(100 * time.Millisecond).String()
}

// watcher tells what is being done to a cluster.
type watcher struct {
	command *cobra.Command
	client  *api.Client
	asJSON  bool
	out     io.Writer
	told    map[string]string // by step, what was said last
}

// follow tells each step until the run ends, and returns the cluster as it is then; nil
// when it is gone.
func (w *watcher) follow(one *clusters.Cluster) (*clusters.Cluster, error) {
	w.told = map[string]string{}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for ctx := w.command.Context(); ; {
		if err := w.tell(one); err != nil || one.Run == nil || one.Run.State != clusters.RunRunning {
			return one, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return one, fmt.Errorf("it goes on in the appliance; 'landfall cluster get %s' shows how far it is: %w", one.Name, ctx.Err())
		}
		next, err := w.client.Cluster(ctx, one.Name)
		if errors.Is(err, registry.ErrNotFound) && one.Phase == clusters.Deleting {
			return nil, nil
		}
		if errors.Is(err, registry.ErrUnreachable) && ctx.Err() == nil {
			continue // the appliance starts again; the run goes on then
		}
		if err != nil {
			return one, err
		}
		one = next
	}
}

func (w *watcher) tell(one *clusters.Cluster) error {
	if one.Run == nil {
		return nil
	}
	for _, s := range one.Run.Steps {
		text := string(s.State)
		if s.State == clusterrun.Running && w.asJSON {
			text += s.Now
		}
		if s.State == "" || w.told[s.ID] == text {
			continue
		}
		w.told[s.ID] = text
		var err error
		if w.asJSON {
			err = printOneLine(w.out, s)
		} else {
			_, err = fmt.Fprintf(w.out, "%-14s %-9s %s%s\n", s.Phase, s.State, shown(s.Title), ended(s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ended(s clusters.StepStatus) string {
	switch s.State {
	case clusterrun.Done:
		return " (" + stepTook(s) + ")"
	case clusterrun.Failed:
		return ": " + shown(s.Reason)
	}
	return ""
}

// endOf is what a cluster's last run came to.
func endOf(one *clusters.Cluster) error {
	if one == nil || one.Run == nil || one.Run.State != clusters.RunFailed {
		return nil
	}
	return fmt.Errorf("cluster %s stopped: %s\n%s", one.Name, one.Reason, one.Next)
}

// finish shows a cluster after something was begun, with --wait when that has ended.
func finish(c *cobra.Command, client *api.Client, one *clusters.Cluster, wait, asJSON bool) error {
	name := one.Name
	if wait {
		w := &watcher{command: c, client: client, out: c.ErrOrStderr()}
		var err error
		if one, err = w.follow(one); err != nil {
			return err
		}
	}
	switch {
	case one == nil && asJSON:
		return printJSON(c.OutOrStdout(), map[string]string{"name": name, "phase": "gone"})
	case one == nil:
		_, err := fmt.Fprintf(c.OutOrStdout(), "cluster %s is gone\n", name)
		return err
	case asJSON:
		return errors.Join(printJSON(c.OutOrStdout(), one), endOf(one))
	case wait:
		return errors.Join(showCluster(c.OutOrStdout(), one, false), endOf(one))
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s; follow it with 'landfall cluster get %s -w'\n", name, one.Phase, name)
	return err
}

func newClusterCreate() *cobra.Command {
	var file, passwordFile string
	var planOnly bool
	c := &cobra.Command{
		Use:   "create -f FILE",
		Short: "Form a Kubernetes cluster of linked hosts from a definition",
		Long: "Form a Kubernetes cluster of linked hosts from a definition that the site has. FILE is a document of kind Cluster; docs/CLUSTER.md\n" +
			"describes it. Nothing is done to a host before the closure gate has found all content complete. What is interrupted goes on.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&file, "file", "f", "", "the cluster's document; '-' for standard input")
	c.Flags().StringVar(&passwordFile, "password-file", "", "the password of the source's account is in this `file`")
	c.Flags().BoolVar(&planOnly, "plan", false, "say what would be done, and do nothing")
	wait, asJSON := addWait(c), jsonFlag(c)
	_ = c.MarkFlagRequired("file")
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, _ []string) error {
		request, err := readCluster(c.InOrStdin(), file, passwordFile)
		if err != nil {
			return err
		}
		if planOnly {
			p, err := client.PlanCluster(c.Context(), request)
			if err != nil {
				return err
			}
			return printClusterPlan(c.OutOrStdout(), p, *asJSON)
		}
		one, err := client.CreateCluster(c.Context(), request)
		if err != nil {
			return err
		}
		return finish(c, client, one, *wait, *asJSON)
	})
	return c
}

// maxClusterFile bounds a cluster's document, in bytes.
const maxClusterFile = 1 << 20

func readCluster(in io.Reader, file, passwordFile string) (r clusters.CreateRequest, err error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return r, err
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxClusterFile+1))
	if err == nil && len(content) > maxClusterFile {
		err = fmt.Errorf("%s: %w: it is longer than %d bytes", file, registry.ErrInvalid, maxClusterFile)
	}
	if err != nil {
		return r, err
	}
	r.Document = string(content)
	if passwordFile != "" {
		password, err := os.ReadFile(passwordFile)
		if err != nil {
			return r, err
		}
		r.Password = strings.TrimRight(string(password), "\r\n")
	}
	return r, nil
}

// printOneLine writes a result for programs, on one line.
func printOneLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
