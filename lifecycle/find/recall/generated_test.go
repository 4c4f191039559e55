package recall

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGenerated measures the charts of testdata/generated, which have the shapes of
// real ones. Such a file begins with what it shows, and then has files, each headed
// by "-- NAME --": those of the chart under chart/, and beside it runs (the images, a
// line each), sets/NAME (values that it is rendered with as well as its own), apis and
// kube (the cluster's).
func TestGenerated(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("testdata", "generated", "*.txt"))
	if err != nil || len(names) < 12 {
		t.Fatalf("%d charts: %v", len(names), err)
	}
	var results []result
	for _, name := range names {
		results = append(results, measure(t, generate(t, name)))
	}
	judge(t, results)
}

// generate writes a chart.
func generate(t *testing.T, name string) sample {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := sample{name: strings.TrimSuffix(filepath.Base(name), ".txt"), dir: filepath.Join(t.TempDir(), "chart"), sets: []string{""}}
	files, err := split(string(content))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, f := range files {
		kind, rest, _ := strings.Cut(f[0], "/")
		switch kind {
		case "runs":
			s.runs = strings.Fields(f[1])
		case "apis":
			s.apis = strings.Fields(f[1])
		case "kube":
			s.kube = strings.TrimSpace(f[1])
		case "sets":
			s.sets = append(s.sets, f[1])
		case "chart":
			file := filepath.Join(s.dir, filepath.FromSlash(rest))
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, file, f[1])
		default:
			t.Fatalf("%s: file %q", name, f[0])
		}
	}
	return s
}

// split takes the files out of a text, each as name and content.
func split(text string) (files [][2]string, err error) {
	for line := range strings.Lines(text) {
		head, begins := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		if name, ends := strings.CutSuffix(head, " --"); begins && ends {
			if slices.ContainsFunc(files, func(f [2]string) bool { return f[0] == name }) {
				return nil, fmt.Errorf("file %q is there twice", name)
			}
			files = append(files, [2]string{name})
		} else if n := len(files); n > 0 {
			files[n-1][1] += line
		}
	}
	return files, nil
}
