package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/sync/mirror"
)

func newSyncRun() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Copy and delete what makes the destination level with its sources",
		Long: "Copy and delete what makes the destination level with its sources.\n" +
			"Each blob moves once, whatever was interrupted. An image that fails does not stop the others: then the\n" +
			"exit code is 8, and the report names what is missing.",
		Args: cobra.NoArgs,
	}
	f := addSyncFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		s, err := f.open(c.Context(), false)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		report, err := s.run(c, f)
		if report == nil {
			return err
		}
		if *f.asJSON {
			err = errors.Join(printJSON(c.OutOrStdout(), report), err)
		} else {
			err = errors.Join(printReport(c.OutOrStdout(), report), err)
		}
		if err != nil {
			return err
		}
		return report.Err()
	}
	return c
}

func (s *syncing) run(c *cobra.Command, f *syncFlags) (*mirror.Report, error) {
	p, err := s.plan(c.Context(), f)
	if err != nil {
		return nil, err
	}
	bar := newProgress(c.ErrOrStderr(), "mirroring")
	defer bar.close()
	s.opts.Progress = bar.event
	if f.output != "" {
		return s.bundle(c.Context(), f.output, p)
	}
	return p.Run(c.Context(), s.cfg, s.dst, s.opts)
}

// bundle makes a bundle of what can be had. What cannot is left out in a second
// go, which finds everything else in the partial file.
func (s *syncing) bundle(ctx context.Context, path string, p *mirror.Plan) (*mirror.Report, error) {
	var report *mirror.Report
	for again := false; ; again = true {
		g := p.Graph()
		if len(g.Names) == 0 {
			return mirror.Nothing(p), nil
		}
		w, err := bundle.Create(ctx, path, g, bundle.CreateOptions{})
		if err != nil {
			return report, err
		}
		r, err := p.Run(ctx, s.cfg, w, s.opts)
		broken := r.BrokenOff()
		if err == nil && len(broken) == 0 {
			err = w.Finish()
		}
		w.Close()
		if report == nil {
			report = r
		}
		if err != nil || again || len(broken) == 0 {
			return report, err
		}
		p = p.Without(broken)
	}
}

// printReport prints what a run changed and what it could not.
func printReport(w io.Writer, r *mirror.Report) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, i := range r.Images {
		var notes []string
		if i.Error != "" {
			notes = append(notes, i.Error)
		}
		if i.Moved != "" {
			notes = append(notes, "the source's tag has moved to "+short(i.Moved)+" since")
		}
		if i.Until != nil {
			notes = append(notes, "the link opens at "+i.Until.Local().Format(time.DateTime))
		}
		if i.State != mirror.Present || len(notes) > 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", i.State, i.Destination, short(i.Digest), strings.Join(notes, "; "))
		}
	}
	for _, d := range r.Deleted {
		state := "deleted"
		if d.Error != "" {
			state = "kept"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", state, d.Name, short(d.Digest), strings.TrimPrefix(d.Error, "kept: "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	printMirrors(w, r.Mirrors)
	_, err := fmt.Fprintf(w, "%d copied, %d were there, %d refused, %d failed, %d deleted; %s planned, %s\n", r.Count(mirror.Copied), r.Count(mirror.Present),
		r.Count(mirror.Refused), r.Count(mirror.Failed)+r.Count(mirror.Deferred)+r.Count(mirror.Unbegun), len(r.Deleted), units.Bytes(r.Planned), time.Duration(r.Seconds*float64(time.Second)))
	return err
}
