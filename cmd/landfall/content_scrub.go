package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func newContentScrub() *cobra.Command {
	var fresh bool
	var rate string
	c := &cobra.Command{
		Use:   "scrub",
		Short: "Read all content again and prove every digest",
		Long: "Read all content from the disk and prove every digest. What is damaged goes into quarantine: it is not\n" +
			"served any more, and healed by the next push or import that brings it. Interrupted, it goes on where it\n" +
			"was. The exit code is 3 as long as something is in quarantine.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().BoolVar(&fresh, "fresh", false, "begin anew, even if the last scrub was interrupted")
	c.Flags().StringVar(&rate, "rate", "0", "read at most so many `bytes` per second (8MiB); 0: as fast as it goes")
	asJSON := jsonFlag(c)
	c.RunE = flags.manage(func(c *cobra.Command, s managed, _ []string) error {
		limit, err := parseRate(rate)
		if err != nil {
			return usageError{fmt.Errorf("--rate: %w", err)}
		}
		report, err := scrub(c, s, store.ScrubOptions{Fresh: fresh, Rate: limit})
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), report)
		} else {
			printScrubbed(c.OutOrStdout(), report)
		}
		if err == nil && len(report.Damaged) > 0 {
			err = damagedError(report.Damaged)
		}
		return err
	})
	return c
}

// scrub shows where a person watches how far it is, and tells of damage at once.
func scrub(c *cobra.Command, s managed, opts store.ScrubOptions) (*store.Scrubbed, error) {
	p := newProgress(c.ErrOrStderr(), "proving")
	defer p.close()
	defer p.follow(c.Context(), func(ctx context.Context) (at, total int64, err error) {
		stats, err := s.Stats(ctx)
		return stats.Scrub.Bytes, stats.Scrub.TotalBytes, err
	})()
	opts.Found = func(d store.Damage) { fmt.Fprintf(p, "damaged: %s: %s\n", d.Digest, d.Cause) }
	return s.Scrub(c.Context(), opts)
}

func printScrubbed(w io.Writer, r *store.Scrubbed) {
	for _, d := range r.Damaged {
		fmt.Fprintf(w, "%s %s (%s): %s\n", d.Kind, d.Digest, units.Bytes(d.Size), d.Cause)
		for _, name := range d.Breaks {
			fmt.Fprintf(w, "  needed by %s\n", name)
		}
		if d.More {
			fmt.Fprintln(w, "  and more names")
		}
	}
	resumed := ""
	if r.Resumed {
		resumed = ", begun " + r.Started.Format("2006-01-02 15:04 MST")
	}
	fmt.Fprintf(w, "%d blobs, %s read%s: %d damaged\n", r.Blobs, units.Bytes(r.Bytes), resumed, len(r.Damaged))
}

// damagedError is an ErrDigest.
func damagedError(list []store.Damage) error {
	what := fmt.Sprintf("%s is in quarantine", list[0].Digest)
	if len(list) > 1 {
		what = fmt.Sprintf("%s and %d more are in quarantine", list[0].Digest, len(list)-1)
	}
	return fmt.Errorf("%w: %s: import the bundle again that brought it, or push it again", registry.ErrDigest, what)
}

// sizeUnits of bytes, largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// parseRate reads bytes per second, with a unit or none.
func parseRate(text string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q: want bytes per second, like 8MiB or 0", text)
}
