// Package recall measures how well package find does on whole charts: what they run,
// read by hand once from everything that they render, against what is found when
// they are opened, rendered and searched as "definition build" does it.
//
// An image counts as found when a find is sure of it, or doubtful and confirmed: here
// the registry has exactly what runs. It counts as false when a find is sure of what
// does not run. Test hooks are left out, as profiles leave them out.
package recall

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/registry"
)

// maxFalse is how many of 100 finds may be false.
const maxFalse = 3

func TestMain(m *testing.M) {
	render.Main()
	leaktest.Main(m)
}

// sample is a chart, and what runs when it is installed.
type sample struct {
	name string
	tag  string   // of its repository
	dir  string   // the chart's folder
	sets []string // values, YAML; it is rendered with each of them, with its own for an empty one
	apis []string // of the cluster beside Kubernetes' own
	kube string   // version
	runs []string // images
}

// result is a line of the table.
type result struct {
	name, version                 string
	runs, found, doubtful, others int
	missed, wrong                 []string
}

// measure opens, renders and searches a chart.
func measure(t *testing.T, s sample) result {
	t.Helper()
	opened, err := (&chart.Opener{}).Open(t.Context(), profile.Chart{Path: s.dir})
	if err != nil {
		t.Fatal(err)
	}
	finds := find.InChart(opened.Files)
	for _, values := range s.sets {
		finds = append(finds, rendered(t, s, opened, values)...)
	}
	sure, doubtful := map[string]find.Find{}, map[string]find.Find{}
	for _, f := range finds {
		ref, err := registry.ParseRef(f.Image)
		if f.Test {
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", f, err)
			continue
		}
		if f.Sure == find.Doubtful {
			doubtful[ref.String()] = f
		} else {
			sure[ref.String()] = f
		}
	}
	return compare(t, s, opened, sure, doubtful)
}

func rendered(t *testing.T, s sample, opened *chart.Chart, text string) (finds []find.Find) {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	r, err := (&render.Renderer{}).Chart(t.Context(), render.Chart{
		Archive: opened.Archive, Release: "r", Namespace: "ns", Values: values, KubeVersion: s.kube, APIVersions: s.apis,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range r.Files {
		objects, err := object.Read(file)
		if err != nil {
			t.Error(err)
		}
		finds = append(finds, find.InObjects(objects, nil)...)
	}
	return finds
}

func compare(t *testing.T, s sample, opened *chart.Chart, sure, doubtful map[string]find.Find) result {
	t.Helper()
	res := result{name: s.name, version: cmp.Or(s.tag, opened.Version)}
	runs := map[string]bool{}
	for _, image := range s.runs {
		ref, err := registry.ParseRef(image)
		if err != nil {
			t.Fatal(err)
		}
		if runs[ref.String()] {
			t.Errorf("%s: %s is listed twice", s.name, image)
		}
		runs[ref.String()] = true
	}
	res.runs = len(runs)
	for _, image := range slices.Sorted(maps.Keys(runs)) {
		_, isSure := sure[image]
		_, isDoubtful := doubtful[image]
		switch {
		case isSure:
			res.found++
		case isDoubtful:
			res.found++
			res.doubtful++
		default:
			res.missed = append(res.missed, image)
		}
	}
	for _, image := range slices.Sorted(maps.Keys(sure)) {
		if !runs[image] {
			res.wrong = append(res.wrong, image)
			t.Logf("%s: false: %+v", s.name, sure[image])
		}
	}
	for _, image := range slices.Sorted(maps.Keys(doubtful)) {
		if _, isSure := sure[image]; !runs[image] && !isSure {
			res.others++
			t.Logf("%s: doubtful, and does not run: %+v", s.name, doubtful[image])
		}
	}
	return res
}

// judge prints the table, and fails for what it may not show.
func judge(t *testing.T, results []result) {
	t.Helper()
	var b strings.Builder
	line := func(name, version string, columns ...any) {
		fmt.Fprintf(&b, "| %-64s | %-32s "+strings.Repeat("| %6v ", len(columns))+"|\n", append([]any{name, version}, columns...)...)
	}
	line("chart", "version", "run", "found", "missed", "false", "by doubt", "others")
	total := result{}
	for _, r := range results {
		line(r.name, r.version, r.runs, r.found, len(r.missed), len(r.wrong), r.doubtful, r.others)
		total.runs += r.runs
		total.found += r.found
		total.doubtful += r.doubtful
		total.others += r.others
		total.missed = append(total.missed, r.missed...)
		total.wrong = append(total.wrong, r.wrong...)
	}
	line(fmt.Sprintf("%d charts", len(results)), "", total.runs, total.found, len(total.missed), len(total.wrong), total.doubtful, total.others)
	t.Logf("images that run, and what is found of them; \"by doubt\" of the found are doubtful finds that the registry confirms, \"others\" those that it does not:\n%s", &b)
	if len(total.missed) > 0 {
		t.Errorf("recall %.3f, want 1: missed %q", float64(total.found)/float64(total.runs), total.missed)
	}
	if all := total.found + len(total.wrong); len(total.wrong)*100 > maxFalse*all {
		t.Errorf("%d of %d finds are false, more than %d %%: %q", len(total.wrong), all, maxFalse, total.wrong)
	}
}

// write makes a file of a chart.
func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
