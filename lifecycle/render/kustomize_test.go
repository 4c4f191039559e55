package render_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/registry"
)

const kustomization = `-- kustomization.yaml --
resources: [base, extra.yaml]
components: [./more]
images: [{name: quay.io/x/app, newTag: v2}]
patches:
- patch: |
    [{"op": "replace", "path": "/spec/containers/0/name", "value": "patched"}]
  target: {kind: Pod}
configMapGenerator: [{name: c, files: [data.txt]}]
-- data.txt --
text
-- extra.yaml --
apiVersion: v1
kind: Service
metadata: {name: s}
-- base/kustomization.yml --
resources: [pod.yaml]
-- base/pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: a, image: quay.io/x/app:v1}]}
-- more/kustomization.yaml --
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
namePrefix: my-
-- unused/kustomization.yaml --
resources: ["https://example.invalid/x"]
`

func TestKustomize(t *testing.T) {
	t.Parallel()
	r, err := new(render.Renderer).Kustomize(t.Context(), archive(t, kustomization))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 1 || r.Files[0].Path != "kustomization.yaml" {
		t.Fatal(paths(r.Files))
	}
	objects, err := object.Read(r.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]object.Object{}
	for _, o := range objects {
		found[o.ID.String()] = o
	}
	if len(found) != 3 || found["Service my-s"].Content == nil || !strings.Contains(r.Files[0].Content, "image: quay.io/x/app:v2\n    name: patched") {
		t.Error(r.Files[0].Content)
	}
}

// Nothing that is elsewhere is read, whichever way it is named; what is refused is
// said with file and line.
func TestKustomizeBad(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(server.Close)
	for name, test := range map[string]struct{ files, want string }{
		"none":            {"-- a.yaml --\n", "there is no kustomization.yaml at the top of the folder"},
		"https":           {"-- kustomization.yaml --\nresources:\n- " + server.URL + "/a.yaml\n", "kustomization.yaml:2: resources[0]: \"" + server.URL + "/a.yaml\" is somewhere else, and rendering dials nobody; copy it into the folder"},
		"git":             {"-- kustomization.yaml --\nresources:\n- base\n-- base/kustomization.yaml --\n\nbases: [\"github.com/a/b?ref=v1\"]\n", "base/kustomization.yaml:2: bases[0]: \"github.com/a/b?ref=v1\" is somewhere else"},
		"git without ref": {"-- kustomization.yaml --\ncomponents: [github.com/a/b]\n", "is somewhere else"},
		"ssh":             {"-- kustomization.yaml --\ncomponents: ['git@host:a/b']\n", "is somewhere else"},
		"patch":           {"-- kustomization.yaml --\npatches:\n- path: " + server.URL + "\n", "kustomization.yaml:2: patches[0].path"},
		"openapi":         {"-- kustomization.yaml --\nopenapi: {path: '" + server.URL + "'}\n", "kustomization.yaml:1: openapi.path"},
		"missing":         {"-- kustomization.yaml --\nresources: [a.yaml]\n", "kustomization.yaml:1: resources[0]: \"a.yaml\" is not in the folder"},
		"outside":         {"-- kustomization.yaml --\nresources: [../a.yaml]\n", "is not in the folder"},
		"absolute":        {"-- kustomization.yaml --\nresources: [/etc/passwd]\n", "is absolute"},
		"charts":          {"-- kustomization.yaml --\nkind: Kustomization\nhelmCharts: [{name: x}]\n", "kustomization.yaml:2: helmCharts is not supported; name the charts in the profile"},
		"charts by name":  {"-- kustomization.yaml --\ngenerators: [g.yaml]\n-- g.yaml --\napiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\nname: x\nrepo: " + server.URL + "\n", ""},
		"transformer":     {"-- kustomization.yaml --\nresources: [p.yaml]\ntransformers: [t.yaml]\n-- p.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n-- t.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\npath: " + server.URL + "/p\ntarget: {kind: Pod}\n", "rendering dials nobody"},
		"config map":      {"-- kustomization.yaml --\nconfigMapGenerator: [{name: c, files: ['x=" + server.URL + "/p']}]\n", "rendering dials nobody"},
		"plugin":          {"-- kustomization.yaml --\ngenerators: [g.yaml]\n-- g.yaml --\napiVersion: v1\nkind: Gen\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"exec: {path: /bin/true}\"}}\n", ""},
		"cycle":           {"-- kustomization.yaml --\nresources: [a]\n-- a/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\nresources: [../a]\n", "b/kustomization.yaml:1: resources[0]: a cycle: \"../a\" leads here"},
		"not YAML":        {"-- kustomization.yaml --\nresources: [\n", "kustomization.yaml:2: invalid: not YAML"},
		"unknown field":   {"-- kustomization.yaml --\nresourcen: []\n", `unknown field "resourcen"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := new(render.Renderer).Kustomize(t.Context(), archive(t, test.files))
			if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	t.Cleanup(func() {
		if asked.Load() > 0 {
			t.Error("the server was asked")
		}
	})
}

// An overlay is built with the bases that lie beside it.
func TestOverlay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"base/kustomization.yaml":          "resources: [pod.yaml]\n",
		"base/pod.yaml":                    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
		"overlays/prod/kustomization.yaml": "resources: [../../base]\nnamePrefix: prod-\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := chart.PackKustomization(filepath.Join(dir, "overlays", "prod"))
	if err != nil {
		t.Fatal(err)
	}
	content, err := packed.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	all, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	r, err := new(render.Renderer).Kustomize(t.Context(), all)
	if err != nil || !strings.Contains(r.Files[0].Content, "name: prod-p") {
		t.Error(err, r)
	}
}
