package convert_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/convert"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

var update = flag.Bool("update", false, "write testdata/golden as it is now")

func convertFile(t *testing.T, name string, opts convert.Options) *convert.Result {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := convert.Convert(name, content, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Files in the shape of each format become the profile that is in testdata/golden,
// with each field that it has no place for in the list of what is unmapped.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]convert.Format{
		"list.txt": convert.List, "list.yaml": convert.List, "helmfile.yaml": convert.Helmfile,
		"hauler.yaml": convert.Hauler, "zarf.yaml": convert.Zarf,
	} {
		r := convertFile(t, name, convert.Options{})
		if r.Format != format {
			t.Errorf("%s: read as %s", name, r.Format)
		}
		var b strings.Builder
		b.Write(r.Profile)
		for _, n := range r.Mapped {
			b.WriteString("# + " + n.String() + "\n")
		}
		for _, n := range r.Unmapped {
			b.WriteString("# - " + n.String() + "\n")
		}
		golden(t, name+".golden", b.String())
		if _, err := profile.Parse("golden", []byte(b.String())); err != nil {
			t.Error(err)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(got), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-update writes it):\n%s", name, diff)
	}
}

// What the profile means, not only how it looks.
func TestMeaning(t *testing.T) {
	t.Parallel()
	r := convertFile(t, "helmfile.yaml", convert.Options{Name: "Edge Site", Version: "3.0.0", Base: "sub/dir"})
	p, err := profile.Parse("x.yaml", r.Profile)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "edge-site" || p.Version != "3.0.0" {
		t.Errorf("%s %s", p.Name, p.Version)
	}
	var names []string
	for _, l := range p.Layers {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"cert-manager", "podinfo", "local", "files"}) {
		t.Errorf("%q", names)
	}
	c := p.Layers[0].Charts[0]
	want := map[string]any{
		"crds": map[string]any{"enabled": true}, "text": "yes", "price": "$${var.x}",
		"image": map[string]any{"tag": "v1.16.2"},
	}
	if diff := cmp.Diff(want, c.Values); diff != "" {
		t.Error(diff)
	}
	if len(c.ValueFiles) != 1 || c.ValueFiles[0].Path != "sub/dir/cm.yaml" || c.Namespace != "cert-manager" {
		t.Errorf("%+v", c)
	}
	if c := p.Layers[1].Charts[0]; c.OCI != "ghcr.io/stefanprodan/charts/podinfo" || c.Namespace != "apps" {
		t.Errorf("%+v", c)
	}
	if c := p.Layers[2].Charts[0]; c.Path != "sub/dir/charts/local" || c.Version != "" {
		t.Errorf("%+v", c)
	}
}

// What "helmfile build" prints has templates of charts only, which stay.
func TestHelmfileBuilt(t *testing.T) {
	t.Parallel()
	r, err := convert.Convert("built.yaml", []byte(`
filepath: helmfile.yaml
renderedvalues: {}
releases:
  - {name: a, chart: ./a, values: [{host: "{{ .Release.Name }}.example"}], needs: [b], namespace: x}
  - {name: b, chart: /srv/b, namespace: y}
  - {name: b, chart: /srv/b, namespace: x}
`), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse("x.yaml", r.Profile)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(p.Layers, func(l profile.Layer) bool { return l.Name == "a" })
	a := p.Layers[at]
	if a.Charts[0].Values["host"] != "{{ .Release.Name }}.example" || !slices.Equal(a.DependsOn, []string{"b-2"}) || len(r.Unmapped) > 0 {
		t.Errorf("%+v %v", a, r.Unmapped)
	}
}

// A component for another architecture than the package's is not deployed by Zarf.
func TestZarfArchitecture(t *testing.T) {
	t.Parallel()
	r, err := convert.Convert("zarf.yaml", []byte(`
kind: ZarfPackageConfig
components:
  - {name: a, images: [nginx], only: {cluster: {architecture: arm64}}}
  - {name: b, images: [redis]}
metadata: {name: x, architecture: amd64}
`), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse("x.yaml", r.Profile)
	if err != nil || len(p.Layers) != 1 || p.Layers[0].Name != "b" {
		t.Errorf("%+v, %v", p, err)
	}
	if len(r.Unmapped) != 1 || r.Unmapped[0].Line != 4 || !strings.Contains(r.Unmapped[0].Text, "the component is for linux/arm64, and the package for linux/amd64") {
		t.Errorf("%v", r.Unmapped)
	}
}

// What is wrong is named with file, line and a way out.
func TestBad(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n" +
		"releases:\n  - {name: x, chart: ./x, values: [{v: *e}]}\n"
	for _, c := range []struct {
		name, content, want string
		format              convert.Format
	}{
		{"empty", "", "x.yaml:1: invalid: none of the formats", ""},
		{"comments", "# nothing\n", "none of the formats that are known here (list, helmfile, hauler, zarf)", ""},
		{"no YAML", "a: [1\nb: 2\n", "x.yaml:1: invalid: no YAML: ", ""},
		{"somebody's", "apiVersion: v1\nkind: Pod\n", "none of the formats", ""},
		{"format", "nginx\n", `format "tar": known are list, helmfile, hauler, zarf`, "tar"},
		{"large", strings.Repeat("#", 1<<20+1), "x.yaml: invalid: larger than 1048576 bytes", ""},
		{"bomb", bomb, "x.yaml:1: invalid: releases[0].values[0].v[0][8][9][8][6]: more than 20000 values, aliases written out", ""},
		{"many layers", "releases:\n" + strings.Repeat("  - {name: x, chart: ./x}\n", 600), "x.yaml: invalid: it would make more than 500 layers", ""},
		{"circle", "releases:\n  - &r {name: x, chart: ./x, values: [*r]}\n", "deeper than 64 levels", ""},
		{"deep", "releases:\n  - {name: x, chart: ./x, values: [{v: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}]}\n", "x.yaml:2: invalid: releases[0].values[0].v[0]", ""},
		{"template", "releases:\n{{- range .Values.x }}\n  - name: x\n{{- end }}\n", `x.yaml:2: invalid: a template of a Helmfile, which is not run here; convert what "helmfile build" prints`, ""},
		{"twice", "releases:\n  - name: x\n    chart: ./x\n    name: y\n", `x.yaml:4: invalid: releases[0]: "name" is there twice`, ""},
		{"list of what", "releases: 1\n", "x.yaml:1: invalid: releases: a list is wanted", ""},
		{"release is a text", "releases:\n  - x\n", "x.yaml:2: invalid: releases[0]: fields are wanted", ""},
		{"nothing left", "releases:\n  - {name: x, chart: a/x}\n", `read as helmfile, nothing in it is for a profile to carry`, ""},
		{"nothing left, and why", "releases:\n  - {name: x, chart: a/x}\n", `x.yaml:2: releases[0]: left out: chart "a/x": no repository is called "a"`, ""},
		{"needs in a circle", "releases:\n  - {name: x, chart: ./x, needs: [y]}\n  - {name: y, chart: ./y, needs: [x]}\n", "makes no profile: ", ""},
		{"image in lines", "nginx\nNot An Image!\n", `x.yaml:2: invalid: image: reference "Not": `, convert.List},
		{"image in YAML", "images:\n  - nginx\n  - a//b\n", `x.yaml:3: invalid: images[1]: `, ""},
		{"image without name", "images:\n  - {platform: linux/amd64}\n", `x.yaml:2: invalid: images[0]: an image, or the name of one`, ""},
		{"zarf kind", "kind: Pod\n", `x.yaml:1: invalid: kind "Pod": want ZarfPackageConfig`, convert.Zarf},
		{"zarf twice", "kind: ZarfPackageConfig\ncomponents: [{name: a, images: [nginx]}]\n---\nkind: ZarfPackageConfig\n", "x.yaml:4: invalid: a second document", ""},
		{"platform", "kind: ZarfPackageConfig\nmetadata:\n  architecture: a/b/c\n", `x.yaml:3: invalid: metadata.architecture: "linux/a/b/c": `, ""},
		{"zarf variable", "kind: ZarfPackageConfig\nvariables:\n  - {name: 1A}\n", `x.yaml:3: invalid: variables[0]: variable "1A"`, ""},
		{"zarf boolean", "kind: ZarfPackageConfig\ncomponents:\n  - name: a\n    files: [{source: a, target: /b, executable: maybe}]\n", `x.yaml:4: invalid: components[0].files[0].executable: "maybe": true or false`, ""},
		{"hauler group", "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nspec: {images: [{name: nginx}]}\n---\napiVersion: v1\n", `x.yaml:5: invalid: apiVersion "v1": want content.hauler.cattle.io/v1`, ""},
	} {
		_, err := convert.Convert("x.yaml", []byte(c.content), convert.Options{Format: c.format})
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := convert.Convert("helmfile.yaml.gotmpl", []byte("releases: []\n"), convert.Options{}); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

// Every leaf of a file is in a note or in the profile.
func TestNothingSilent(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"helmfile": "SOME\nreleases:\n  - {name: x, chart: ./x, SOME}\nrepositories:\n  - {name: y, url: 'https://y', SOME}\n",
		"zarf":     "kind: ZarfPackageConfig\nSOME\nmetadata: {name: x, SOME}\nvariables: [{name: X, SOME}]\ncomponents:\n  - {name: x, images: [nginx], only: {SOME, cluster: {SOME}}, SOME, charts: [{name: c, localPath: c, SOME}], manifests: [{files: [a], SOME}], files: [{source: a, SOME}]}\n",
		"hauler":   "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nSOME\nmetadata: {name: x, annotations: {SOME}, SOME}\nspec: {SOME, images: [{name: nginx, SOME}]}\n",
		"list":     "images: [{name: nginx, SOME}]\nSOME\n",
	} {
		content = strings.ReplaceAll(content, "SOME", "madeUp: 1")
		r, err := convert.Convert("x.yaml", []byte(content), convert.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		told := 0
		for _, n := range r.Unmapped {
			if strings.HasSuffix(n.Field, "madeUp") && n.Line > 0 {
				told++
			}
		}
		if want := strings.Count(content, "madeUp"); told != want {
			t.Errorf("%s: %d of %d told: %v", name, told, want, r.Unmapped)
		}
	}
}
