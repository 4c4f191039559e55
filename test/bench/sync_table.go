package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// standing is how a race ended: the results are Landfall's into a registry, the
// rivals', and Landfall's into its store.
type standing struct {
	*source
	title string
	all   []*result
}

func (t standing) landfall() *result { return t.all[0] }
func (t standing) store() *result    { return t.all[len(t.all)-1] }

// ours are Landfall's results, those that failed left out.
func (t standing) ours() []*result { return finished([]*result{t.landfall(), t.store()}) }

// rivals are the others that came to the end, the fastest first.
func (t standing) rivals() []*result { return finished(t.all[1 : len(t.all)-1]) }

func finished(all []*result) []*result {
	all = slices.DeleteFunc(slices.Clone(all), func(r *result) bool { return r.err != nil })
	slices.SortStableFunc(all, func(a, b *result) int { return int(1e6 * (median(a.samples, wall) - median(b.samples, wall))) })
	return all
}

// each lists a value of each rival.
func (t standing) each(value func(*result) string) string {
	var parts []string
	for _, r := range t.rivals() {
		parts = append(parts, r.name+" "+value(r))
	}
	return strings.Join(parts, ", ")
}

// times are the lines of Landfall against each rival, and of its store against
// the best; the bound is against the best.
func (t standing) times(bound figure, of func(sample) float64) {
	for _, r := range t.all {
		if r.err != nil {
			t.table.missing(t.title+": "+r.name, r.err)
		}
	}
	for i, r := range t.rivals() {
		if i > 0 {
			bound.bound = 0
		}
		t.against(r, t.landfall(), bound, of)
		if i == 0 {
			t.against(r, t.store(), figure{}, of)
		}
	}
}

func (t standing) against(rival, ours *result, f figure, of func(sample) float64) {
	f.name = fmt.Sprintf("%s: %s against %s", t.title, ours.name, rival.name)
	f.reference = seconds(median(rival.samples, wall))
	if ours.err != nil {
		return
	}
	f.landfall = seconds(median(ours.samples, wall))
	t.table.figure(compared(f, ours.samples, rival.samples, of))
}

// fetched are the lines of how much came from the upstream for each byte of
// content, at most.
func (t standing) fetched() {
	share := func(r *result) float64 {
		var most int64
		for _, c := range r.counts {
			most = max(most, c.BlobBytes)
		}
		return float64(most) / float64(t.content.blobBytes())
	}
	for _, r := range t.ours() {
		t.table.figure(figure{
			name: "  blob bytes fetched / unique, " + r.name, reference: t.each(func(r *result) string { return precise(share(r)) }),
			measured: share(r), unit: precise, bound: 1.01,
		})
	}
}

// precise prints a ratio whose third digit counts.
func precise(v float64) string { return fmt.Sprintf("%.4f ×", v) }

// memory are the lines of the highest peak of all runs.
func (t standing) memory() {
	most := func(r *result) float64 {
		var highest float64
		for _, s := range r.samples {
			highest = max(highest, peak(s))
		}
		return highest
	}
	for _, r := range t.ours() {
		t.table.figure(figure{
			name: "  peak memory, " + r.name, reference: t.each(func(r *result) string { return memory(most(r)) }),
			measured: most(r), unit: memory, bound: float64(128 * mib),
		})
	}
}

// requests are the lines of how often the upstream was asked.
func (t standing) requests() {
	last := func(r *result) faultproxy.Counts { return r.counts[len(r.counts)-1] }
	for _, r := range t.ours() {
		t.table.figure(figure{
			name: "  requests to the upstream, " + r.name, landfall: last(r).String(),
			reference: t.each(func(r *result) string { return fmt.Sprint(last(r).Total()) }),
			measured:  float64(last(r).Total()), unit: func(v float64) string { return fmt.Sprintf("%.0f", v) },
		})
	}
}
