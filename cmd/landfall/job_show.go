package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func newJobShow() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show how far a job is, and what it did",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.jobs(func(c *cobra.Command, h jobHistory, args []string) error {
		j, err := h.Get(c.Context(), args[0])
		if err != nil {
			return err
		}
		return showJob(c, j, *asJSON)
	})
	return c
}

func showJob(c *cobra.Command, j jobs.Job, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), j)
	}
	return printJob(c.OutOrStdout(), j)
}

func printJob(w io.Writer, j jobs.Job) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("job", j.ID)
	row("kind", shown(j.Kind))
	row("subject", shown(j.Subject))
	row("state", string(j.State))
	row("owner", shown(j.Owner))
	row("created", day(j.Created))
	row("started", day(j.Started))
	row("ended", day(j.Ended))
	if j.Attempt > 1 {
		row("attempts", fmt.Sprint(j.Attempt))
	}
	row("progress", jobProgress(j))
	row("waits for", shown(j.WaitsFor))
	for _, s := range j.Steps {
		row("done", fmt.Sprintf("%s, %s", shown(s.Name), day(s.Ended)))
	}
	row("asked for", shown(string(j.Args)))
	row("result", shown(string(j.Result)))
	return t.Flush()
}

// changeJob makes a command that works on one job of a running appliance.
func changeJob(use, short, long string, change func(c *cobra.Command, s *api.Jobs, id string) (jobs.Job, error)) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1)}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		j, err := change(c, client.Jobs(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), j)
		}
		state := string(j.State)
		if j.CancelRequested && !j.State.Ended() {
			state += ", and ends as soon as it can"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "job %s (%s): %s\n", j.ID, shown(j.Kind), state)
		return err
	})
	return c
}

func newJobCancel() *cobra.Command {
	return changeJob("cancel ID", "End a job; what it did stays", "", func(c *cobra.Command, s *api.Jobs, id string) (jobs.Job, error) {
		return s.Cancel(c.Context(), id)
	})
}

func newJobRetry() *cobra.Command {
	return changeJob("retry ID", "Let a job go on that failed, was cancelled or waits", "What its steps have done is not done again.",
		func(c *cobra.Command, s *api.Jobs, id string) (jobs.Job, error) { return s.Retry(c.Context(), id) })
}
