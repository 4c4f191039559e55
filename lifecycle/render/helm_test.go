package render_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/registry"
)

const whole = chartYAML + `dependencies:
- {name: db, version: ^1, repository: "", condition: db.enabled, alias: store, import-values: [{child: port, parent: dbport}]}
- {name: extra, version: 1.0.0, repository: "", tags: [extra]}
-- app/values.yaml --
image: {repository: quay.io/x/app, tag: v1}
tags: {extra: false}
store: {enabled: true}
dbport: {}
-- app/crds/crd.yaml --
kind: CustomResourceDefinition
-- app/templates/_helpers.tpl --
{{ define "app.image" }}{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ end }}
-- app/templates/NOTES.txt --
Installed {{ .Release.Name }}.
-- app/templates/empty.yaml --
{{ if .Values.never }}kind: Never{{ end }}
-- app/templates/pod.yaml --
image: {{ include "app.image" . }}
release: {{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Revision }} {{ .Release.IsInstall }} {{ .Release.IsUpgrade }}
kube: {{ .Capabilities.KubeVersion.Version }}
monitoring: {{ .Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }} {{ .Capabilities.APIVersions.Has "apps/v1" }}
lookup: {{ lookup "v1" "Secret" "default" "x" | toJson }}
host: {{ getHostByName "localhost" | quote }}
tpl: {{ tpl "{{ .Values.image.tag }}" . }}
imported: {{ .Values.dbport.number }}
template: {{ .Template.Name }}
missing: {{ .Values.nothing }}
-- app/templates/hook.yaml --
# a comment only
---
kind: Job
metadata: {name: a, annotations: {"helm.sh/hook": "pre-install, Test"}}
---
kind: Job
metadata: {name: b}
---
kind: Pod
metadata: {name: c, annotations: {helm.sh/hook: test-success}}
-- app/charts/db/Chart.yaml --
apiVersion: v1
name: db
version: 1.4.0
-- app/charts/db/values.yaml --
tag: 12
port: {number: 5432}
-- app/charts/db/crds/db.yml --
kind: CustomResourceDefinition
-- app/charts/db/templates/db.yaml --
image: db:{{ .Values.tag }}
-- app/charts/extra/Chart.yaml --
apiVersion: v2
name: extra
version: 1.0.0
-- app/charts/extra/templates/off.yaml --
image: off
`

// A chart is rendered as "helm template --include-crds" does.
func TestChart(t *testing.T) {
	t.Parallel()
	r := rendered(t, render.Chart{
		Archive: archive(t, whole), Release: "mine", Namespace: "ns", KubeVersion: "1.30.2+k3s1",
		Values: map[string]any{"image": map[string]any{"tag": "v2"}}, APIVersions: []string{"monitoring.coreos.com/v1"},
	})
	want := []string{
		"app/charts/store/crds/db.yml", "app/charts/store/templates/db.yaml", "app/crds/crd.yaml",
		"app/templates/hook.yaml", "app/templates/pod.yaml",
	}
	if diff := cmp.Diff(want, paths(r.Files)); diff != "" {
		t.Error(diff)
	}
	wantPod := `image: quay.io/x/app:v2
release: mine ns 1 true false
kube: v1.30.2+k3s1
monitoring: true true
lookup: {}
host: ""
tpl: v2
imported: 5432
template: app/templates/pod.yaml
missing:`
	if diff := cmp.Diff(wantPod, contentOf(t, r, "app/templates/pod.yaml")); diff != "" {
		t.Error(diff)
	}
	wantHooks := map[string][]string{"app/templates/hook.yaml#0": {"pre-install", "test"}, "app/templates/hook.yaml#2": {"test-success"}}
	if diff := cmp.Diff(wantHooks, r.Hooks); diff != "" {
		t.Error(diff)
	}
	switched := rendered(t, render.Chart{Archive: archive(t, whole), Values: map[string]any{"tags": map[string]any{"extra": true}, "store": map[string]any{"enabled": true}}})
	if contentOf(t, switched, "app/charts/extra/templates/off.yaml") != "image: off" {
		t.Error("a tag does not switch a subchart on")
	}
}

// The default is the Kubernetes of the library, which Helm itself finds out only in a
// program that is no test.
func TestDefaultKubeVersion(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`k8s.io/client-go v0\.(\d+)\.`).FindSubmatch(mod)
	if m == nil || render.DefaultKubeVersion != "1."+string(m[1])+".0" {
		t.Errorf("%s, want that of %s", render.DefaultKubeVersion, m)
	}
	r := rendered(t, render.Chart{Archive: template(t, "v: {{ .Capabilities.KubeVersion }}")})
	if got := contentOf(t, r, "app/templates/a.yaml"); got != "v: v"+render.DefaultKubeVersion {
		t.Error(got)
	}
}

const schema = `-- app/values.schema.json --
{"properties": {"image": {"properties": {"tag": {"type": "string", "pattern": "^v"}}}, "other": {"$ref": "https://example.invalid/schema.json"}}}
-- app/values.yaml --
image: {tag: v1}
`

// What is wrong with a chart or its values is said with the place.
func TestBadChart(t *testing.T) {
	t.Parallel()
	tag := func(v any) map[string]any { return map[string]any{"image": map[string]any{"tag": v}} }
	for name, test := range map[string]struct {
		chart render.Chart
		want  string
	}{
		"not an archive":    {render.Chart{Archive: []byte("x"), Release: "web"}, "chart of release web: invalid: not a chart: "},
		"no Chart.yaml":     {render.Chart{Archive: archive(t, "-- app/x --\n")}, "invalid: not a chart: Chart.yaml file is missing"},
		"leads out":         {render.Chart{Archive: archive(t, chartYAML+"-- app/../../x --\n")}, "not a chart: chart illegally"},
		"absolute":          {render.Chart{Archive: archive(t, chartYAML+"-- app//etc/passwd --\n")}, "not a chart: chart illegally contains absolute paths"},
		"library":           {render.Chart{Archive: archive(t, chartYAML+"type: library\n")}, "chart app 1.2.3: invalid: it is a library chart, which has nothing to install"},
		"missing subchart":  {render.Chart{Archive: archive(t, chartYAML+"dependencies:\n- {name: db, version: 1.0.0}\n")}, "chart app 1.2.3: invalid: Chart.yaml has dependencies that are not in charts/: db; run helm dependency build"},
		"kubeVersion":       {render.Chart{Archive: archive(t, chartYAML+"kubeVersion: '>=1.33'\n"), KubeVersion: "1.30.1"}, "chart app 1.2.3: invalid: it needs Kubernetes >=1.33, and is rendered for v1.30.1"},
		"bad kubeVersion":   {render.Chart{Archive: template(t, ""), KubeVersion: "new"}, `"new" is not a version of Kubernetes`},
		"parse error":       {render.Chart{Archive: template(t, "a: b\nc: {{ if }}\n")}, "chart app 1.2.3: invalid: app/templates/a.yaml:2: missing value for if"},
		"fail":              {render.Chart{Archive: template(t, "{{ fail \"no luck\" }}")}, "chart app 1.2.3: invalid: app/templates/a.yaml:1:3: no luck"},
		"required":          {render.Chart{Archive: template(t, "\n{{ required \"set x\" .Values.x }}")}, "chart app 1.2.3: invalid: app/templates/a.yaml:2:3: set x"},
		"nil pointer":       {render.Chart{Archive: template(t, "\n\n{{ .Values.a.b.c }}")}, "chart app 1.2.3: invalid: app/templates/a.yaml:3:10: executing \"app/templates/a.yaml\" at <.Values.a.b.c>: nil pointer evaluating"},
		"unknown template":  {render.Chart{Archive: template(t, "{{ include \"nobody\" . }}")}, `no template "nobody"`},
		"include for ever":  {render.Chart{Archive: template(t, `{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}`)}, "rendering template has a nested reference name: x"},
		"template for ever": {render.Chart{Archive: template(t, `{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}`)}, "exceeded maximum template depth"},
		"schema":            {render.Chart{Archive: archive(t, chartYAML+schema), Values: tag(1)}, "chart app 1.2.3: invalid: values.image.tag: got number, want string (values.schema.json)"},
		"schema pattern":    {render.Chart{Archive: archive(t, chartYAML+schema), Values: tag("x")}, "values.image.tag: 'x' does not match pattern '^v' (values.schema.json)"},
		"broken schema":     {render.Chart{Archive: archive(t, chartYAML+"-- app/values.schema.json --\n{")}, "values.schema.json of values: "},
		"values.yaml":       {render.Chart{Archive: archive(t, chartYAML+"-- app/values.yaml --\na: [\n")}, "not a chart: cannot load values.yaml: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := new(render.Renderer).Chart(t.Context(), test.chart)
			if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// Subcharts have schemas, too, and are named by where their values are.
func TestSchemaOfSubchart(t *testing.T) {
	t.Parallel()
	const sub = "-- app/charts/db/Chart.yaml --\nname: db\nversion: 1.0.0\n-- app/charts/db/values.schema.json --\n{\"required\": [\"size\"], \"properties\": {\"a\": {\"items\": {\"type\": \"number\"}}}}\n"
	for want, values := range map[string]any{
		"chart app 1.2.3: invalid: values.db.a.1: got string, want number (values.schema.json)": map[string]any{"size": 1, "a": []any{1, "x"}},
		"chart app 1.2.3: invalid: values.db: missing property 'size' (values.schema.json)":     map[string]any{},
	} {
		_, err := new(render.Renderer).Chart(t.Context(), render.Chart{Archive: archive(t, chartYAML+sub), Values: map[string]any{"db": values}})
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// What Helm warns of is told once, without values.
func TestWarnings(t *testing.T) {
	t.Parallel()
	r := rendered(t, render.Chart{Archive: archive(t, chartYAML+"deprecated: true\n-- app/values.yaml --\na: {b: secret}\n"), Values: map[string]any{"a": map[string]any{"b": map[string]any{}}}})
	want := []string{"chart app 1.2.3 is deprecated", "warning: destination for app.a.b is a table. Ignoring non-table value"}
	if diff := cmp.Diff(want, r.Warnings); diff != "" {
		t.Error(diff)
	}
}

// A schema that is somewhere else is not fetched, and that is said.
func TestSchemaElsewhere(t *testing.T) {
	t.Parallel()
	r := rendered(t, render.Chart{Archive: archive(t, chartYAML+schema), Values: map[string]any{"other": 1}})
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "refers to https://example.invalid/schema.json, which is not read") {
		t.Errorf("%q", r.Warnings)
	}
}
