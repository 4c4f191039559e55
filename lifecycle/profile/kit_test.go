package profile_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/profile"
)

// smallest is the smallest profile of the manual.
const smallest = `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: edge, version: 1.0.0}
spec:
  layers:
    - name: app
      type: addon
      images: ["127.0.0.1:5001/team/app1:v1"]
`

// base is what the manual's example includes.
const base = `apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: base, version: 1.2.0}
spec:
  variables:
    - {name: ntp, default: ntp.example.com}
  layers:
    - name: host
      type: os
      files: [{path: host.conf, target: /etc/host.conf}]
    - name: app
      dependsOn: [host]
      chart: {path: charts/app, valueFiles: [values.yaml], values: {ntp: "${var.ntp}"}}
`

// written makes files, by path, in a new folder.
func written(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// example is the complete example of the manual.
func example(t testing.TB) string {
	t.Helper()
	manual, err := os.ReadFile("../../docs/PROFILE.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)<!-- example -->\n```yaml\n(.*?)```").FindSubmatch(manual)
	if m == nil {
		t.Fatal("docs/PROFILE.md has no example")
	}
	return string(m[1])
}

// head is a profile up to its layers.
func head(name string) string {
	return "apiVersion: landfall.dev/v1alpha1\nkind: ClusterProfile\nmetadata: {name: " + name + ", version: 1.0.0}\nspec:\n"
}

// layers is a profile of layers, each on a line of its own from line 6 on.
func layers(name string, list ...string) string {
	return head(name) + "  layers:\n    - " + strings.Join(list, "\n    - ") + "\n"
}

// read reads p.yaml of the files; errors have the folder taken out.
func read(t *testing.T, files map[string]string) (*profile.Profile, string) {
	t.Helper()
	dir := written(t, files)
	p, err := profile.Read(filepath.Join(dir, "p.yaml"))
	if err == nil {
		return p, ""
	}
	return p, strings.ReplaceAll(err.Error(), dir+"/", "")
}

func names(p *profile.Profile) string {
	var list []string
	for _, l := range p.Layers {
		list = append(list, l.Name)
	}
	return strings.Join(list, " ")
}
