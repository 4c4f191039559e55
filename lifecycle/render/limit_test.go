package render_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/render"
)

const forever = `{{ range until 1000000 }}{{ range until 1000000 }}{{ $x := 1 }}{{ end }}{{ end }}`

// Whatever a chart does, it ends: with the limit that it reached, and no process left.
func TestLimits(t *testing.T) {
	deep := strings.Repeat("{{ $x = printf \"%s%s\" $x $x }}", 40)
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	for name, test := range map[string]struct {
		renderer render.Renderer
		archive  []byte
		want     string // of the limit; empty: any error will do
	}{
		"time":          {render.Renderer{Time: 2 * time.Second}, template(t, forever), "chart app 1.2.3: limit of rendering reached: rendering took longer than 2s: a template loops"},
		"repeat":        {render.Renderer{}, template(t, `{{ repeat 2000000000 "x" }}`), "chart app 1.2.3: limit of rendering reached: rendering needed more than 512 MiB of memory"},
		"doubling":      {render.Renderer{Memory: 256 << 20}, template(t, `{{ $x := "xxxxxxxxxxxxxxxx" }}`+deep), "rendering needed more than 256 MiB of memory"},
		"small pieces":  {render.Renderer{Memory: 200 << 20}, template(t, `{{ $x := list }}{{ range until 100000 }}{{ $x = append $x (repeat 10000 "x") }}{{ end }}`), "rendering needed more than 200 MiB of memory"},
		"large list":    {render.Renderer{}, template(t, `{{ range until 1000000000 }}{{ end }}`), "rendering needed more than 512 MiB of memory"},
		"output":        {render.Renderer{Output: 1 << 20}, template(t, `{{ repeat 2000000 "x" }}`), "chart app 1.2.3: limit of rendering reached: more than 1 MiB were rendered"},
		"zip bomb":      {render.Renderer{}, zeros(t, 200<<20), ""},
		"YAML bomb":     {render.Renderer{}, archive(t, chartYAML+"-- app/values.yaml --\n"+bomb), ""},
		"tpl for ever":  {render.Renderer{Memory: 200 << 20, Time: 20 * time.Second}, archive(t, chartYAML+"-- app/values.yaml --\nt: '{{ tpl .Values.t . }}'\n-- app/templates/a.yaml --\n{{ tpl .Values.t . }}\n"), ""},
		"cyclic values": {render.Renderer{}, archive(t, chartYAML+"-- app/values.yaml --\na: &a {b: *a}\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.renderer.Chart(t.Context(), render.Chart{Archive: test.archive})
			switch {
			case err == nil:
				t.Error("it was rendered")
			case test.want != "" && !errors.Is(err, render.ErrLimit), !strings.Contains(err.Error(), test.want):
				t.Errorf("got  %.500v\nwant %s", err, test.want)
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("processes are left: %s", left)
			}
		})
	}
}

// zeros is a chart with a file of so many zero bytes.
func zeros(t *testing.T, size int64) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	if err := w.WriteHeader(&tar.Header{Name: "app/zeros", Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); size > 0; size -= int64(len(block)) {
		w.Write(block)
	}
	w.Close()
	zipped.Close()
	return b.Bytes()
}

// Who gives up ends the process.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := new(render.Renderer).Chart(ctx, render.Chart{Archive: template(t, forever)})
		failed <- err
	}()
	for len(children(t)) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %s", left)
	}
}

// A worker that is none is said to be one that failed.
func TestNoWorker(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"exit 0":                   "gave no answer: EOF",
		"echo nonsense":            "gave no answer: invalid character",
		"echo went wrong >&2":      "the process that renders failed: went wrong",
		`echo '{}' '{}'; sleep 60`: "", // an answer, without files
		"kill -9 $$":               "was ended from outside (signal: killed)",
		"cat; exec yes":            "gave no answer",
		`echo '{"Name":"chart x"} {"Files":[{"Path":"f","Size":9}]}'`: "chart x: the process that renders gave no answer: f: ",
		`echo '{} {"Files":[{"Path":"f","Size":-9}]}'`:                "limit of rendering reached: more than 64 MiB were rendered",
	} {
		r := render.Renderer{Command: []string{"/bin/sh", "-c", command}, Time: 30 * time.Second}
		_, err := r.Chart(t.Context(), render.Chart{Archive: template(t, "")})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
	}
	r := render.Renderer{Command: []string{"/nowhere/at/all"}}
	if _, err := r.Chart(t.Context(), render.Chart{}); err == nil || !strings.Contains(err.Error(), "cannot start the process") {
		t.Error(err)
	}
}

// A worker whose parent is gone does not go on.
func TestOrphan(t *testing.T) {
	t.Parallel()
	worker := exec.Command("/proc/self/exe")
	worker.Env = []string{"LANDFALL_RENDER_WORKER=1"}
	in, err := worker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	content := template(t, forever)
	fmt.Fprintf(in, `{"Kind":"chart","KubeVersion":"1.36.0","Memory":536870912,"Output":1000,"Archive":%d}`+"\n%s", len(content), content)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != `{"Name":"chart app 1.2.3"}`+"\n" {
		t.Errorf("%q, %v", line, err)
	}
	in.Close()
	var exit *exec.ExitError
	if err := worker.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("it ended with %v", err)
	}
}

// A program that does not call Main is not started without end: its first worker, which
// is none, is refused another one.
func TestNested(t *testing.T) {
	t.Setenv("LANDFALL_RENDER_WORKER", "1")
	r := render.Renderer{Command: []string{"/bin/sh", "-c", "exit 0"}}
	if _, err := r.Chart(t.Context(), render.Chart{}); err == nil || !strings.Contains(err.Error(), "render.Main") {
		t.Error(err)
	}
}
