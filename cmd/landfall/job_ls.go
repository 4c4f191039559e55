package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// jobHistory is what is known of jobs: by an appliance, or in a store that nobody
// has open.
type jobHistory interface {
	List(ctx context.Context, f jobs.Filter) ([]jobs.Job, error)
	Get(ctx context.Context, id string) (jobs.Job, error)
	Lines(ctx context.Context, id string, after int64, limit int) ([]jobs.Line, error)
}

// jobs makes a command that reads the history of jobs.
func (f *siteFlags) jobs(run func(c *cobra.Command, h jobHistory, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		if err := f.mustExist(); err != nil {
			return err
		}
		local, server, err := f.find(c.Context())
		if err != nil {
			return err
		}
		if local != nil {
			defer func() { err = errors.Join(err, local.Close()) }()
			pool, err := jobs.New(c.Context(), local, jobs.Options{})
			if err != nil {
				return err
			}
			return run(c, pool, args)
		}
		client, err := f.dial(server)
		if err != nil {
			return err
		}
		defer client.Close()
		return run(c, client.Jobs(), args)
	}
}

var (
	_ jobHistory = (*jobs.Pool)(nil)
	_ jobHistory = (*api.Jobs)(nil)
)

// jobStates are what --state can be.
var jobStates = []jobs.State{jobs.Queued, jobs.Running, jobs.Waiting, jobs.Done, jobs.Failed, jobs.Cancelled}

func newJobLs() *cobra.Command {
	var f jobs.Filter
	c := &cobra.Command{
		Use:   "ls",
		Short: "List an appliance's jobs, the newest first",
		Long: "List imports, exports, scrubs, collections and runs of mirrors, the newest first. They are remembered in the store: the\n" +
			"history can be read when no appliance runs.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&f.Kind, "kind", "", "only jobs of this `kind`, like import")
	c.Flags().StringVar((*string)(&f.State), "state", "", "only jobs that are queued, running, waiting, done, failed or cancelled")
	c.Flags().StringVar(&f.Before, "before", "", "only jobs before the one of this `ID`")
	c.Flags().IntVar(&f.Limit, "limit", 50, "at most so many")
	asJSON := jsonFlag(c)
	list := flags.jobs(func(c *cobra.Command, h jobHistory, _ []string) error {
		list, err := h.List(c.Context(), f)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printJobs(c.OutOrStdout(), list)
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.Limit < 1 {
			return usageError{errors.New("want --limit 1 or more")}
		}
		if f.State != "" && !slices.Contains(jobStates, f.State) {
			return usageError{fmt.Errorf("--state %q: want queued, running, waiting, done, failed or cancelled", f.State)}
		}
		return list(c, args)
	}
	return c
}

func printJobs(w io.Writer, list []jobs.Job) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tKIND\tSTATE\tCREATED\tTOOK\tOWNER\tPROGRESS\tSUBJECT")
	for _, j := range list {
		took := "-"
		if !j.Ended.IsZero() && !j.Started.IsZero() {
			took = j.Ended.Sub(j.Started).Round(time.Second).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", j.ID, shown(j.Kind), j.State, day(j.Created), took, shown(j.Owner), jobProgress(j), shown(j.Subject))
	}
	return t.Flush()
}

// jobProgress is how far a job is, or why it got no further, in few words.
func jobProgress(j jobs.Job) string {
	p := j.Progress
	switch {
	case j.Error != nil:
		return shown(j.Error.Message)
	case j.State == jobs.Done:
		return "-"
	case p.TotalBytes > 0:
		text := fmt.Sprintf("%s of %s", units.Bytes(p.Bytes), units.Bytes(p.TotalBytes))
		if p.Remaining > 0 {
			text += fmt.Sprintf(", %s left", time.Duration(p.Remaining)*time.Second)
		}
		return text
	}
	return shown(cmp.Or(p.Phase, "-"))
}
