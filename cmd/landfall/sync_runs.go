package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

func newSyncRuns() *cobra.Command {
	var before string
	var limit int
	c := &cobra.Command{
		Use:   "runs [ID]",
		Short: "List what runs of mirrors did, or say what one changed",
		Long: "List the runs of an appliance's mirrors, the newest first, or say what the run of an ID changed. They are\n" +
			"remembered in the store: the history can be read when no appliance runs.",
		Args: cobra.MaximumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&before, "before", "", "only runs before the one of this `ID`")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if limit < 1 || limit > 200 {
			return usageError{fmt.Errorf("want --limit 1 to 200")}
		}
		runs, end, err := flags.history(c.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		if len(args) > 0 {
			return showRun(c, runs, args[0], *asJSON)
		}
		list, err := runs.Runs(c.Context(), before, limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printRuns(c.OutOrStdout(), list)
	}
	return c
}

// history is that of an appliance, or of a store that nobody has open.
func (f *siteFlags) history(ctx context.Context) (runs api.MirrorRuns, end func() error, err error) {
	if err := f.mustExist(); err != nil {
		return nil, nil, err
	}
	local, server, err := f.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	if local != nil {
		pool, err := jobs.New(ctx, local, jobs.Options{})
		if err != nil {
			return nil, nil, errors.Join(err, local.Close())
		}
		return mirroring.NewHistory(pool), local.Close, nil
	}
	client, err := f.dial(server)
	if err != nil {
		return nil, nil, err
	}
	return client.Mirrors(), client.Close, nil
}

func showRun(c *cobra.Command, runs api.MirrorRuns, id string, asJSON bool) error {
	run, err := runs.Run(c.Context(), id)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), run)
	}
	fmt.Fprintln(c.OutOrStdout(), describeRun(run))
	return printChanges(c.OutOrStdout(), run)
}

// describeRun is one line.
func describeRun(r mirroring.Run) string {
	text := fmt.Sprintf("run %s of %s (%s): %s", r.ID, strings.Join(r.Mirrors, ", "), r.Trigger, r.State)
	switch p := r.Progress; {
	case p != nil && p.Images > 0:
		text += fmt.Sprintf(", %d of %d images, %s of %s", p.Copied, p.Images, units.Bytes(p.Moved), units.Bytes(p.Planned))
	case r.Outcome != nil && r.Outcome.Error != "":
		text += ": " + r.Outcome.Error
	}
	return text
}

// printChanges prints what a run that has ended changed. What was there already is
// not in its report, but counts.
func printChanges(w io.Writer, r mirroring.Run) error {
	if r.Report == nil {
		return nil
	}
	whole := *r.Report
	there := slices.Repeat([]mirror.Result{{State: mirror.Present}}, r.Outcome.Total().Present)
	whole.Images = slices.Concat(whole.Images, there)
	return printReport(w, &whole)
}

func printRuns(w io.Writer, list []mirroring.Run) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTARTED\tTOOK\tTRIGGER\tSTATE\tCOPIED\tTHERE\tFAILED\tDELETED\tMOVED\tMIRRORS")
	for _, r := range list {
		took, counts := "-", "-\t-\t-\t-\t-"
		if r.Ended != nil {
			took = r.Ended.Sub(r.Started).Round(time.Second).String()
		}
		if r.Outcome != nil {
			sum := r.Outcome.Total()
			counts = fmt.Sprintf("%d\t%d\t%d\t%d\t%s", sum.Copied, sum.Present, sum.Refused+sum.Failed+sum.Deferred+sum.Unbegun, sum.Deleted, units.Bytes(r.Outcome.Moved))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, clock(&r.Started), took, r.Trigger, r.State, counts, strings.Join(r.Mirrors, " "))
	}
	return t.Flush()
}
