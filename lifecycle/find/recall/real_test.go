package recall

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder is a folder of a repository at a tag.
type folder struct{ repository, tag, path string }

// real is a chart of a real project, as its repository has it; there charts often
// have placeholders for versions, which is how they are in runs.
type real struct {
	folder
	also    []string // folders of the same repository that it depends on
	charts  []folder // that it depends on, put into its charts/
	without []string // dependencies that are elsewhere: switched off, or without images
	remove  []string // links that leave the chart
	sets    []string
	apis    []string
	runs    []string // read by hand
}

// TestReal needs the repositories: LANDFALL_CHARTS is a folder with a git repository
// OWNER/NAME for each; nothing of them is here. README.md has the table of the last
// run.
func TestReal(t *testing.T) {
	t.Parallel()
	from := os.Getenv("LANDFALL_CHARTS")
	if from == "" {
		t.Skip("LANDFALL_CHARTS is not set: the charts of real projects are not looked at, only those of TestGenerated")
	}
	for name, list := range map[string][]real{"projects": projects, "held out": heldOut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var results []result
			for _, r := range list {
				s := sample{name: r.repository + " " + filepath.Base(r.path), tag: r.tag, sets: r.sets, apis: r.apis, runs: r.runs, dir: checkOut(t, from, r)}
				if len(s.sets) == 0 {
					s.sets = []string{""}
				}
				results = append(results, measure(t, s))
			}
			judge(t, results)
		})
	}
}

// checkOut returns the chart's folder.
func checkOut(t *testing.T, from string, r real) string {
	t.Helper()
	top := t.TempDir()
	archive(t, from, r.folder, top)
	for _, path := range r.also {
		archive(t, from, folder{r.repository, r.tag, path}, top)
	}
	dir := filepath.Join(top, r.path)
	for _, c := range r.charts {
		elsewhere := t.TempDir()
		archive(t, from, c, elsewhere)
		if err := os.CopyFS(filepath.Join(dir, "charts", filepath.Base(c.path)), os.DirFS(filepath.Join(elsewhere, c.path))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range r.remove {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.without) > 0 {
		dropDependencies(t, dir, r.without)
	}
	return dir
}

func archive(t *testing.T, from string, f folder, to string) {
	t.Helper()
	tar := filepath.Join(t.TempDir(), "a.tar")
	for _, c := range []*exec.Cmd{
		exec.Command("git", "-C", filepath.Join(from, filepath.FromSlash(f.repository)), "archive", "-o", tar, f.tag, "--", f.path),
		exec.Command("tar", "-x", "-f", tar, "-C", to),
	} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", c, err, out)
		}
	}
}

// dropDependencies takes dependencies out of a Chart.yaml, with the lock.
func dropDependencies(t *testing.T, dir string, names []string) {
	t.Helper()
	name := filepath.Join(dir, "Chart.yaml")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	within, dropping, dropped := false, false, 0
	for line := range strings.Lines(string(content)) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "dependencies:"):
			within = true
		case !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "-") && text != "":
			within, dropping = false, false
		case within && strings.HasPrefix(text, "- name:"):
			if dropping = slices.Contains(names, strings.TrimSpace(strings.TrimPrefix(text, "- name:"))); dropping {
				dropped++
			}
		}
		if !dropping {
			kept = append(kept, line)
		}
	}
	if dropped != len(names) {
		t.Fatalf("%s: %d of the dependencies %q", name, dropped, names)
	}
	write(t, name, strings.Join(kept, ""))
	os.Remove(filepath.Join(dir, "Chart.lock"))
}
