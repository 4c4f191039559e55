package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func newJobLog() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "log ID",
		Short: "Print what a job told, and follow one that goes on",
		Long: "Print what a job told. With -f it is followed to its end, and one that has failed is an error with the exit code of its\n" +
			"kind, like 3 when verification refused it. The job goes on when this command ends.",
		Args: cobra.ExactArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVarP(&follow, "follow", "f", false, "wait for more, until the job has ended")
	asJSON := c.Flags().Bool("json", false, "print each line as JSON, one a line")
	tell := func(line jobs.Line) {
		printLine(c.OutOrStdout(), line, *asJSON)
	}
	read := flags.jobs(func(c *cobra.Command, h jobHistory, args []string) error { return readLines(c, h, args[0], tell) })
	following := flags.ask(func(c *cobra.Command, client *api.Client, args []string) error {
		return followJob(c, client, args[0], tell)
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if follow {
			return following(c, args)
		}
		return read(c, args)
	}
	return c
}

// readLines reads all that a job told so far.
func readLines(c *cobra.Command, h jobHistory, id string, tell func(jobs.Line)) error {
	for after := int64(0); ; {
		lines, err := h.Lines(c.Context(), id, after, 0)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			if after == 0 { // of a job that is not there there are none either
				_, err = h.Get(c.Context(), id)
			}
			return err
		}
		for _, line := range lines {
			after = line.N
			tell(line)
		}
	}
}

func followJob(c *cobra.Command, client *api.Client, id string, tell func(jobs.Line)) error {
	j, err := client.Follow(c.Context(), id, api.Hearing{Line: tell, GoesOn: func() bool { return true }})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "landfall: job %s (%s): %s\n", j.ID, shown(j.Kind), j.State)
	return api.JobError(j)
}

func printLine(w io.Writer, line jobs.Line, asJSON bool) {
	if asJSON {
		if text, err := json.Marshal(line); err == nil {
			fmt.Fprintf(w, "%s\n", text)
		}
		return
	}
	fmt.Fprintf(w, "%s  %-5s  %s\n", line.At.Local().Format(time.DateTime), line.Level, shown(line.Message))
}
