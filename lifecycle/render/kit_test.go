package render_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/render"
)

func TestMain(m *testing.M) {
	render.Main()
	leaktest.Main(m)
}

// archive makes a gzipped tar of files: a line "-- NAME --", then the file's text.
func archive(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, part := range strings.Split("\n"+text, "\n-- ")[1:] {
		name, content, _ := strings.Cut(part+"\n", " --\n")
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(content))
	}
	w.Close()
	zipped.Close()
	return b.Bytes()
}

const chartYAML = `-- app/Chart.yaml --
apiVersion: v2
name: app
version: 1.2.3
`

// templates is the archive of a chart with one template.
func template(t *testing.T, text string) []byte {
	t.Helper()
	return archive(t, chartYAML+"-- app/templates/a.yaml --\n"+text)
}

// rendered renders, or fails the test.
func rendered(t *testing.T, c render.Chart) *render.Rendered {
	t.Helper()
	r, err := new(render.Renderer).Chart(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func paths(files []object.File) (list []string) {
	for _, f := range files {
		list = append(list, f.Path)
	}
	return list
}

func contentOf(t *testing.T, r *render.Rendered, path string) string {
	t.Helper()
	i := slices.IndexFunc(r.Files, func(f object.File) bool { return f.Path == path })
	if i < 0 {
		t.Fatalf("no file %s, there are %s", path, paths(r.Files))
	}
	return strings.TrimSpace(r.Files[i].Content)
}

// children are the processes that this one started and that are not gone.
func children(t *testing.T) (list []string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		content, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%s/children", task.Name()))
		if err == nil {
			list = append(list, strings.Fields(string(content))...)
		}
	}
	return list
}
