package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/host"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func newDiagnostics() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "diagnostics",
		Short: "Collect what helps to find a fault, without secrets",
		Long: "Write a tar.gz with what the doctor finds, how the machine is, what was done last and how the appliance is set up.\n" +
			"A running appliance adds its log. Nothing secret is in it.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`file` to write")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if output == "" {
			return usageError{errors.New("name the file to write with -o FILE")}
		}
		if err := flags.writeDiagnostics(c.Context(), output); err != nil {
			return err
		}
		info, err := os.Stat(output)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), map[string]any{"file": output, "size": info.Size()})
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", output, units.Bytes(info.Size()))
		return err
	}
	return c
}

func (f *siteFlags) writeDiagnostics(ctx context.Context, output string) error {
	if err := f.mustExist(); err != nil {
		return err
	}
	local, server, err := f.find(ctx)
	if err != nil {
		return err
	}
	if local != nil {
		err := replaceFile(output, func(w io.Writer) error { return diagnoseHere(ctx, w, local, f.data) })
		return errors.Join(err, local.Close())
	}
	client, err := f.dial(server)
	if err != nil {
		return err
	}
	defer client.Close()
	content, err := client.Diagnostics(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	return replaceFile(output, func(w io.Writer) error {
		_, err := io.Copy(w, content)
		return err
	})
}

// recentJobs is how many jobs are told of.
const recentJobs = 200

// diagnoseHere tells of a store whose appliance does not run.
func diagnoseHere(ctx context.Context, w io.Writer, s *store.Store, data string) error {
	log, err := audit.Open(ctx, s)
	if err != nil {
		return err
	}
	pool, err := jobs.New(ctx, s, jobs.Options{})
	if err != nil {
		return err
	}
	return diagnostics.Write(ctx, w, diagnostics.Sources{Version: version(),
		Doctor: diagnostics.JSON(s.Examine), Stats: diagnostics.JSON(s.Stats), Audit: diagnostics.JSON(log.Verify),
		Host: diagnostics.JSON(func(context.Context) (host.Report, error) {
			return host.Read(host.Options{Folders: []string{data}}), nil
		}),
		Jobs: diagnostics.JSON(func(ctx context.Context) ([]jobs.Job, error) { return pool.List(ctx, jobs.Filter{Limit: recentJobs}) }),
	})
}
