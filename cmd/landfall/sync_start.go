package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/mirroring"
)

func newSyncStart() *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use:   "start [NAME...]",
		Short: "Run mirrors in the appliance",
		Long: "Run the mirrors of these names in the appliance, or all that are copied ahead. The run goes on when this command\n" +
			"ends. With --wait its end is waited for, and the exit code is that of 'landfall sync run'.",
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&wait, "wait", false, "wait for the end, and say what changed")
	asJSON := jsonFlag(c)
	c.RunE = flags.mirrors(func(c *cobra.Command, m *api.Mirrors, names []string) error {
		run, err := m.Start(c.Context(), names, "")
		if err == nil && wait {
			run, err = waitForRun(c, m, run)
		}
		if err != nil {
			return err
		}
		switch {
		case *asJSON:
			err = printJSON(c.OutOrStdout(), run)
		case run.Live():
			_, err = fmt.Fprintln(c.OutOrStdout(), describeRun(run))
		default:
			err = printChanges(c.OutOrStdout(), run)
		}
		return errors.Join(err, run.Err())
	})
	return c
}

// askEvery is how often it is asked how far a run is.
const askEvery = 300 * time.Millisecond

// waitForRun returns a run when it has ended.
func waitForRun(c *cobra.Command, m *api.Mirrors, run mirroring.Run) (mirroring.Run, error) {
	bar := newProgress(c.ErrOrStderr(), "mirroring")
	defer bar.close()
	id, tick := run.ID, time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		run, err := m.Run(c.Context(), id)
		if err != nil || !run.Live() {
			return run, afterwards(c.Context(), id, err)
		}
		bar.at(run.Progress.Moved, run.Progress.Planned)
		select {
		case <-tick.C:
		case <-c.Context().Done():
			return run, afterwards(c.Context(), id, context.Cause(c.Context()))
		}
	}
}

// afterwards says of a run that is not waited for any more what can be done.
func afterwards(ctx context.Context, id string, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("run %s goes on; 'landfall sync cancel %s' ends it: %w", id, id, err)
	}
	return err
}

func newSyncCancel() *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel ID",
		Short: "End a run in the appliance; what it brought stays",
		Args:  cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = flags.mirrors(func(c *cobra.Command, m *api.Mirrors, args []string) error {
		run, err := m.Cancel(c.Context(), args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), run)
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), describeRun(run))
		return err
	})
	return c
}
