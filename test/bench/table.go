package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table collects the figures; nothing is printed before the end.
type table struct{ lines []string }

func (t *table) add(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *table) print(w io.Writer) { fmt.Fprintln(w, strings.Join(t.lines, "\n")) }

func (t *table) head(part string, quick bool) {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	t.add("## Figures: %s, %s\n", part, time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	t.add("%d cores, Linux %s, %s. Medians of rounds; a ratio is the median of the rounds' ratios, with their range. CPU: seconds of user and system time, Landfall / reference.",
		runtime.NumCPU(), strings.TrimSpace(string(kernel)), runtime.Version())
	if quick {
		t.add("**Quick run: small content. The figures only show that the bench works.**")
	}
}

// part starts the table of one part; the load tells whether others were busy.
func (t *table) part(name string) {
	say("%s", name)
	load, _ := os.ReadFile("/proc/loadavg")
	t.add("\n### %s (load before: %s)\n", name, strings.Join(strings.Fields(string(load))[:3], " "))
	t.add("| figure | Landfall | reference | measured | target | | CPU |\n|---|---|---|---|---|---|---|")
}

func (t *table) note(format string, args ...any) { t.add("| *"+format+"* | | | | | | |", args...) }

// figure is one line: what was measured, and the bound that it should keep.
type figure struct {
	name, landfall, reference string
	measured                  float64
	spread                    string
	unit                      func(float64) string
	bound                     float64 // 0: none, only told
	atLeast                   bool    // else at most
	cpu                       string
}

func (t *table) figure(f figure) {
	target, verdict := "", ""
	if f.bound != 0 {
		sign, kept := "≤ ", f.measured <= f.bound
		if f.atLeast {
			sign, kept = "≥ ", f.measured >= f.bound
		}
		target, verdict = sign+f.unit(f.bound), "**MISSED**"
		if kept {
			verdict = "PASS"
		}
	}
	t.add("| %s | %s | %s | %s%s | %s | %s | %s |", f.name, f.landfall, f.reference, f.unit(f.measured), f.spread, target, verdict, f.cpu)
	say("  %s: %s%s %s %s", f.name, f.unit(f.measured), f.spread, target, verdict)
}

// missing is a line for what could not be measured.
func (t *table) missing(name string, err error) {
	reason := err.Error()
	if _, said, ok := strings.Cut(reason, "landfall: "); ok { // the rest repeats the command
		reason = said
	}
	reason, _, _ = strings.Cut(reason, "\n")
	t.add("| %s | not measured: %s | | | | | |", name, strings.ReplaceAll(reason, "|", "/"))
	say("  %s: not measured: %s", name, reason)
}

func ratio(v float64) string   { return fmt.Sprintf("%.2f ×", v) }
func percent(v float64) string { return fmt.Sprintf("%.2f %%", v*100) }
func memory(v float64) string  { return size(int64(v)) }
func seconds(v float64) string { return fmt.Sprintf("%.2f s", v) }

func size(n int64) string {
	switch {
	case n >= 10*gib:
		return fmt.Sprintf("%.0f GiB", float64(n)/float64(gib))
	case n >= gib:
		return fmt.Sprintf("%.2f GiB", float64(n)/float64(gib))
	case n >= mib:
		return fmt.Sprintf("%.1f MiB", float64(n)/float64(mib))
	default:
		return fmt.Sprintf("%.1f KiB", float64(n)/float64(kib))
	}
}

// side runs one of the programs compared.
type side func() (sample, error)

// rounds runs the sides in turn, n times; the first becomes the last from
// round to round.
func rounds(n int, sides ...side) ([][]sample, error) {
	samples := make([][]sample, len(sides))
	for round := range n {
		for i := range sides {
			i = (i + round) % len(sides)
			s, err := sides[i]()
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}

// compared fills in a figure that is the ratio of two sides in of, round by round.
func compared(f figure, a, b []sample, of func(sample) float64) figure {
	var ratios []float64
	for i := range a {
		ratios = append(ratios, of(a[i])/of(b[i]))
	}
	f.measured, f.unit = middle(ratios), ratio
	f.spread = spread(ratios)
	f.cpu = fmt.Sprintf("%.2f / %.2f", median(a, cpu), median(b, cpu))
	return f
}

func spread(ratios []float64) string {
	return fmt.Sprintf(" (%.2f–%.2f)", slices.Min(ratios), slices.Max(ratios))
}

func wall(s sample) float64  { return s.wall.Seconds() }
func cpu(s sample) float64   { return s.cpu.Seconds() }
func rate(s sample) float64  { return s.rate }
func speed(s sample) float64 { return 1 / s.wall.Seconds() }
func peak(s sample) float64  { return float64(s.peak) }

func median(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	return middle(values)
}

func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
