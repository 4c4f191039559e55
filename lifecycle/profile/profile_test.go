package profile_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

func TestSmallest(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse("edge.yaml", []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	want := &profile.Profile{
		Name: "edge", Version: "1.0.0", Dir: ".",
		Layers: []profile.Layer{{
			Name: "app", Type: profile.Addon, At: profile.Place{File: "edge.yaml", Line: 6},
			Images: []profile.Image{{Ref: registry.Ref{Repository: "127.0.0.1:5001/team/app1", Tag: "v1"}, At: profile.Place{File: "edge.yaml", Line: 8}}},
		}},
		Files: []profile.Source{{Name: "edge.yaml", Content: []byte(smallest)}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// The manual's example is what the manual says of it.
func TestExample(t *testing.T) {
	t.Parallel()
	dir := written(t, map[string]string{
		"edge/p.yaml": example(t), "edge/values.yaml": "größe: ${var.replicas}\non: yes\n",
		"base/base-1.2.0.yaml": base, "base/values.yaml": "", "base/charts/app/values.yaml": "image: {tag: x}\n",
		"base/broken.yaml": "a: [",
	})
	p, err := profile.Read(filepath.Join(dir, "edge/p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(p); got != "host kube cni base/app app" {
		t.Errorf("layers %s", got)
	}
	if len(p.Variables) != 7 || p.Variables[6].Name != "ntp" || p.Variables[1].Default != int64(2) || *p.Variables[1].Max != 9 {
		t.Errorf("%+v", p.Variables)
	}
	if len(p.Files) != 2 || p.Dir != filepath.Join(dir, "edge") || p.Files[1].Name != filepath.Join(dir, "base/base-1.2.0.yaml") {
		t.Errorf("%s: %+v", p.Dir, p.Files)
	}
	included := p.Layers[3]
	if c := included.Charts[0]; included.From != "base 1.2.0" || c.Path != "../base/charts/app" || c.ValueFiles[0].Path != "../base/values.yaml" || len(c.ValueFiles[0].Values) != 0 {
		t.Errorf("%+v", included)
	}
	if diff := cmp.Diff([]string{"host"}, included.DependsOn); diff != "" {
		t.Error(diff)
	}
	app := p.Layers[4]
	want := profile.Chart{
		OCI: "registry.example.com/charts/app", Version: "1.2.3", Release: "app", Namespace: "apps",
		Values: map[string]any{
			"ingress": map[string]any{"host": "app.${var.domain}"}, "replicas": "${var.replicas}", "labels": "${var.extraLabels}", "shell": "echo $${HOME}",
		},
		ValueFiles:  []profile.ValueFile{{Path: "values.yaml", Values: map[string]any{"größe": "${var.replicas}", "on": true}}},
		ValueSets:   []profile.ValueSet{{Name: "ha", Values: map[string]any{"redis": map[string]any{"enabled": true}}, At: app.Charts[0].ValueSets[0].At}},
		APIVersions: []string{"monitoring.coreos.com/v1"}, At: app.Charts[0].At,
	}
	if diff := cmp.Diff(want, app.Charts[0]); diff != "" {
		t.Error(diff)
	}
	if app.Manifests[0].Path != "manifests" || app.Manifests[1].Kustomize != "overlay" || app.Files[0].Mode != 0o644 || app.Upgrade.Policy != "drain" || app.Namespace != "apps" || app.Version != "3.1.0" {
		t.Errorf("%+v", app)
	}
	if d := p.Layers[1].Distro; d.Name != "kubeadm" || d.Version != "1.36.3" {
		t.Errorf("%+v", d)
	}
}

// Parse looks at no file: what an included profile could declare is taken for declared.
func TestParseAlone(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse("none/p.yaml", []byte(layers("edge",
		"{name: base, profile: {path: ../base, version: 1.2.0}}",
		"{name: app, dependsOn: [base, host], chart: {path: c, valueFiles: [v.yaml], values: {a: '${var.ntp}'}}}")))
	if err != nil {
		t.Fatal(err)
	}
	if names(p) != "app" || len(p.Layers[0].DependsOn) != 0 || p.Layers[0].Charts[0].ValueFiles[0].Path != "v.yaml" {
		t.Errorf("%+v", p.Layers)
	}
}

// All that is wrong in a file is told at once, by line, each with its cure.
func TestAllProblems(t *testing.T) {
	t.Parallel()
	_, err := profile.Parse("p.yaml", []byte(`apiVersion: landfall.dev/v1alpha1
kind: ClusterProfile
metadata: {name: Edge, version: v1.0.0, sauce: x}
spec:
  variables:
    - {name: a, type: integer, default: many}
    - {name: secret, sensitive: true, default: hunter2}
  layers:
    - name: app
      imags: [a]
    - name: web
      charts:
        - {oci: "oci://h.io/a"}
        - {path: ./c, values: {x: "${var.b}"}}
`))
	want := `p.yaml:3: metadata: unknown field "sauce" (name, version, description, annotations)
p.yaml:3: metadata.name: "Edge": want lower-case letters, digits, and - between them, at most 63
p.yaml:3: metadata.version: "v1.0.0": leave the v out: 1.0.0
p.yaml:6: spec.variables[0].default: it breaks the rule type: "many" is not a whole number
p.yaml:7: spec.variables[1].default: a sensitive variable has none: everybody who has the profile could read it; make it required
p.yaml:9: spec.layers[0]: there is nothing in it; add one of kubernetes, chart, charts, manifests, images, files, providers, or profile, or leave the layer out
p.yaml:10: spec.layers[0]: unknown field "imags" (name, type, version, profile, dependsOn, platforms, namespace, kubernetes, chart, charts, manifests, images, files, providers, imageRules, ignore, upgrade)
p.yaml:13: spec.layers[1].charts[0]: version is missing; add version: the chart's exact version, like 1.2.3
p.yaml:14: spec.layers[1].charts[1].values.x: ${var.b}: no variable is called so; declare it in spec.variables (a, secret)`
	if err == nil {
		t.Fatal("it was taken")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, registry.ErrInvalid) {
		t.Error("it is not invalid")
	}
	var p *profile.Problem
	if !errors.As(err, &p) || p.File != "p.yaml" || p.Line != 3 || p.Field != "metadata" {
		t.Errorf("%+v", p)
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	layer := func(s string) string { return layers("edge", "{name: app, "+s+"}") }
	spec := func(s string) string { return layers("edge", "{name: app, images: [a]}") + "  " + s + "\n" }
	chart := func(s string) string { return layer("chart: {" + s + "}") }
	variable := func(s string) string { return spec("variables: [{name: v, " + s + "}]") }
	for content, want := range map[string]string{
		"":                     "p.yaml: invalid: it is empty",
		"[]":                   "p.yaml:1: want a profile, which begins with apiVersion",
		"a: [":                 "p.yaml:1: not YAML: ",
		"a: 1\n---\nb: 1":      "more than one YAML document",
		"kind: ClusterProfile": "p.yaml:1: apiVersion is missing: a profile begins with",
		"apiVersion: landfall.dev/v2\nnew: field":                    `p.yaml:1: apiVersion: "landfall.dev/v2" is not known here; this program reads landfall.dev/v1alpha1`,
		"apiVersion: landfall.dev/v1alpha1\nkind: ClusterDefinition": `p.yaml:2: kind: "ClusterDefinition" is not known here`,
		head("edge"): "spec: fields are wanted", "apiVersion: landfall.dev/v1alpha1\nkind: ClusterProfile": "metadata is missing; add metadata",
		head("edge") + "  layers: []\n":                                              "an empty list",
		head("edge") + "  platforms: [linux/amd64]\n":                                "layers is missing",
		strings.Repeat("#", 1<<20+1):                                                 "larger than 1048576 bytes",
		"a: &a [*a]\nb: *a":                                                          "apiVersion is missing",
		strings.Replace(smallest, "1.0.0", "1.0", 1):                                 `"1.0": want a semantic version of three numbers`,
		strings.Replace(smallest, "1.0.0}", "1.0.0, description: \"a\\u202eb\"}", 1): "U+202E, which is not shown",
		strings.Replace(smallest, "1.0.0}", "1.0.0, annotations: {\"a b\": c}}", 1):  "want a name of printable ASCII",
		spec("repository: a.io/X"):                                                   "want the name of a repository",
		spec("repository: a.io/x:1"):                                                 "want the name of a repository",
		spec("platforms: [amd64]"):                                                   "p.yaml:7: spec.platforms[0]: \"amd64\": want os/architecture",
		spec("platforms: [Linux/amd64]"):                                             "want os/architecture",
		spec("platforms: [linux/a, linux/a]"):                                        "is there twice, first in line 7",
		spec("groups: [{name: a}, {name: a}]"):                                       "a is there twice, first at p.yaml:7",
		variable("type: text"):                                                       "want one of string, integer",
		variable("format: ipv5"):                                                     "want one of base64, cidr",
		variable("pattern: 'a)(b'"):                                                  "spec.variables[0].pattern: error parsing regexp",
		variable("default: '${var.x}'"):                                              "no placeholders here",
		variable("type: list, default: ['${system.site.registry}']"):                 "no placeholders here",
		variable("default: null"):                                                    "it has no value",
		variable("type: list, default: null"):                                        "it has no value; leave it out",
		variable("min: some"):                                                        "a number is wanted",
		variable("min: .nan"):                                                        "a number is wanted",
		variable("group: net"):                                                       "p.yaml:7: spec.variables[0].group: no group is called net; add it to spec.groups (there is none)",
		variable("allowed: [a, a]"):                                                  "spec.variables[0].allowed: value 2: a is there twice",
		variable("required: yes"):                                                    "true or false is wanted",
		spec("variables: [{name: v}, {name: v}]"):                                    "v is there twice, first at p.yaml:7",
		layers("edge", "{name: app, images: [a]}", "{name: app, images: [b]}"):       "p.yaml:7: spec.layers[1].name: layer app is there twice, first at p.yaml:6",
		layers("edge", "{images: [a]}"):                                              "name is missing; add name: app",
		layers("edge", "{name: app, images: [a]}", "{name: cni, type: network, images: [a]}"):                                                        "p.yaml:7: spec.layers[1]: layer cni of type network comes after layer app of type addon (p.yaml:6)",
		layers("edge", "{name: a, type: os, images: [a]}", "{name: b, type: os, images: [a]}"):                                                       "p.yaml:7: layer b of type os: there is one already, a at p.yaml:6",
		layers("edge", "{name: a, type: kubernetes, images: [a]}", "{name: b, type: kubernetes, images: [a]}"):                                       "there is one already",
		layers("edge", "{name: a, images: [a], dependsOn: [c]}", "{name: b, images: [a], dependsOn: [a]}", "{name: c, images: [a], dependsOn: [b]}"): "layers depend on each other: a (p.yaml:6) → c (p.yaml:8) → b (p.yaml:7) → a; take one of these out",
		layers("edge", "{name: a, type: os, images: [a], dependsOn: [b]}", "{name: b, images: [a]}"):                                                 "p.yaml:6: spec.layers[0].dependsOn[0]: layer a of type os cannot depend on layer b of type addon (p.yaml:7), which comes later",
		layer("images: [a], dependsOn: [b]"):                                              `no layer is called b (app)`,
		layer("images: [a], dependsOn: [app]"):                                            "layer app cannot depend on itself",
		layer("images: [a], platforms: [linux/arm64]") + "  platforms: [linux/amd64]\n":   "linux/arm64 is none of the profile's platforms; add it to spec.platforms, or take it out here (linux/amd64)",
		layer("type: app, images: [a]"):                                                   "want one of os, kubernetes",
		layer("type: os, imageRules: [{kind: A, path: b}]"):                               "there is nothing in it",
		layer("images: []"):                                                               "an empty list; leave the field out",
		layer("images: ['a:${var.x}']"):                                                   "no placeholders here: a profile names its images",
		layer("images: [a/B]"):                                                            `"a/B": reference`,
		layer("images: [{a: b}]"):                                                         "one value is wanted",
		layer("images: &x [a]\n      files: *x"):                                          "",
		layer("namespace: A, images: [a]"):                                                "want lower-case letters",
		layer("upgrade: {policy: now}, images: [a]"):                                      "want one of inPlace, drain, reboot",
		layer("kubernetes: {distribution: k3s, version: 1.36.3}"):                         "it belongs to a layer of type kubernetes",
		layer("type: kubernetes, kubernetes: {distribution: k3s, version: v1.36.3+k3s1}"): "leave the v out: 1.36.3+k3s1",
		layer("type: kubernetes, kubernetes: {distribution: k3s}"):                        "version is missing; add version: 1.36.3",
		layer("manifests: ['']"):                                                          "it is empty; want the path",
		layer("manifests: [{path: a, kustomize: b}]"):                                     "want path: of a file or folder, or kustomize:",
		layer("manifests: ['https://a/b']"):                                               "want a path, not an address",
		layer("files: [{target: /a}]"):                                                    "path is missing",
		layer("files: [{path: a, target: b}]"):                                            "want an absolute path on the host",
		layer("files: [{path: a, target: /a/../b}]"):                                      "want an absolute path on the host",
		layer("files: [{path: a, mode: rwx}]"):                                            "want permission bits in octal",
		layer("files: [{path: a, mode: 0999}]"):                                           "want permission bits in octal",
		layer("images: [a], imageRules: [{kind: prometheus, path: a}]"):                   "want the kind of an object",
		layer("images: [a], imageRules: [{kind: A, path: 'a b'}]"):                        "want where the image is",
		layer("images: [a], ignore: [{image: 'a.io/**'}]"):                                "reason is missing",
		layer("images: [a], ignore: [{image: 'a.io/**', reason: ''}]"):                    "it is empty; say why",
		layer("images: [a], ignore: [{image: '**', reason: x}]"):                          "want the full name with its host",
		layer("images: [a], ignore: [{image: 'a.io/a:v1', reason: x}]"):                   "no image without tag is called so",
		layer("chart: {path: a}, charts: [{path: b}]"):                                    "one of the two",
		layer("profile: {path: a, version: 1.0.0}, images: [a]"):                          "has name, profile and dependsOn only",
		layer("profile: {path: a}"):                                                       "version is missing; add version: the exact version of the profile",
		chart("version: 1.2.3"):                                                           "want one of oci: ",
		chart("path: a, oci: oci://h.io/a, version: 1.2.3"):                               "want one of oci: ",
		chart("oci: h.io/a, version: 1.2.3"):                                              "want oci://HOST/PATH",
		chart("oci: 'oci://h.io/a:1.2.3'"):                                                "the version is a field of its own: version: 1.2.3",
		chart("oci: oci://a, version: 1.2.3"):                                             "it has no host",
		chart("oci: oci://h.io/a, version: ^1.2"):                                         "a range would be another chart tomorrow",
		chart("oci: oci://h.io/a, version: 1.2"):                                          "want the exact version",
		chart("repository: 'https://h.io', name: a"):                                      "version is missing",
		chart("repository: 'https://h.io', version: 1.2.3"):                               "name is missing",
		chart("repository: 'oci://h.io/a', name: a, version: 1.2.3"):                      "a registry: write oci: oci://h.io/a",
		chart("repository: 'https://u:p@h.io', name: a, version: 1.2.3"):                  "no credentials here",
		chart("repository: 'ftp://h.io', name: a, version: 1.2.3"):                        "want the address of a chart repository",
		chart("path: 'oci://h.io/a'"):                                                     "want a path, not an address",
		chart("path: a, name: ../b"):                                                      "want the name of a chart",
		chart("path: a, release: A"):                                                      "want lower-case letters",
		chart("path: a, apiVersions: [apps]"):                                             "want what a cluster serves",
		chart("path: a, values: [a]"):                                                     "fields are wanted: the values of the chart",
		chart("path: a, values: {a: '${var.b'}"):                                          "p.yaml:6: spec.layers[0].chart.values.a: \"${var.b\" is not closed",
		chart("path: a, values: {a: '${system.b}'}"):                                      "${system.b}: no such system value (cluster.name",
		chart("path: a, values: {a: 1, a: 2}"):                                            `key "a" is there twice, first in line 6`,
		chart("path: a, valueSets: [{values: {}}]"):                                       "name is missing",
		chart("path: a, valueSets: [{name: a}]"):                                          "there are no values in it",
		chart("path: a, valueSets: [{name: a, values: {}}, {name: a, values: {}}]"):       "value set a is there twice",
	} {
		p, err := profile.Parse("p.yaml", []byte(content))
		if err == nil || p != nil || !strings.Contains(err.Error(), want) || !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v, want %q", content, err, want)
			continue
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "p.yaml:") {
				t.Errorf("%q: %q does not name the file", content, line)
			}
		}
	}
}

// What cannot be read is told as what it is.
func TestNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := profile.Read(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := profile.Read(dir); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Error(err)
	}
}

// Files of values are read as Helm reads them, within bounds, and name their lines.
func TestValueFiles(t *testing.T) {
	t.Parallel()
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for _, i := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		prev := string(i[0] - 1)
		bomb += "a" + i + ": &a" + i + " [" + strings.TrimSuffix(strings.Repeat("*a"+prev+", ", 9), ", ") + "]\n"
	}
	p := layers("edge", "{name: app, chart: {path: c, valueFiles: [v.yaml]}}")
	for content, want := range map[string]string{
		bomb:                         "v.yaml:6: a5[0]: more than 100000 values, aliases written out; write less, or fewer aliases",
		"a:\n  b: ${var.x}\n":        "v.yaml:2: a.b: ${var.x}: no variable is called so; declare it in spec.variables (there is none)",
		"a:\n  - ${var.x\n":          "v.yaml:2: a[0]: \"${var.x\" is not closed",
		"a: 1\nb: [\n":               "v.yaml:2: not YAML: ",
		"- a\n":                      "v.yaml: fields are wanted",
		"a: !x b\n":                  "v.yaml:1: a: a value of type",
		strings.Repeat("#", 1<<20+1): "larger than 1048576 bytes",
	} {
		_, got := read(t, map[string]string{"p.yaml": p, "v.yaml": content})
		if !strings.Contains(got, want) {
			t.Errorf("%.40q: %s, want %q", content, got, want)
		}
	}
	if _, got := read(t, map[string]string{"p.yaml": p}); !strings.Contains(got, "p.yaml:6: spec.layers[0].chart.valueFiles[0]: v.yaml: there is no such file; paths are from") {
		t.Error(got)
	}
}

// Values that aliases repeat in many charts are an error, not gigabytes.
func TestValuesTogether(t *testing.T) {
	t.Parallel()
	list := []string{"{name: a0, chart: {path: c, values: &v {l: [" + strings.TrimSuffix(strings.Repeat("1,", 9000), ",") + "]}}}"}
	for i := range 100 {
		list = append(list, "{name: b"+string(rune('a'+i%26))+string(rune('a'+i/26))+", chart: {path: c, values: *v}}")
	}
	_, err := profile.Parse("p.yaml", []byte(layers("edge", list...)))
	if err == nil || !strings.Contains(err.Error(), "the values of all charts together are more than 500000") && !strings.Contains(err.Error(), "aliases written out") {
		t.Errorf("%.300v", err)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	p, err := profile.Parse("p.yaml", []byte(layers("edge",
		"{name: o, type: os, images: [a]}",
		"{name: n2, type: network, images: [a], dependsOn: [n1, o]}", "{name: n1, type: network, images: [a]}",
		"{name: c, images: [a], dependsOn: [b, n2, b]}", "{name: a, images: [a]}", "{name: b, images: [a]}", "{name: d, images: [a]}")))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(p); got != "o n1 n2 a b c d" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"b", "n2"}, p.Layers[5].DependsOn); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(base))
	f.Add([]byte(example(f)))
	f.Add([]byte(layers("edge", "{name: a, images: [a], dependsOn: [b]}", "{name: b, images: [a], dependsOn: [a]}")))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := profile.Parse("p.yaml", content)
		if err != nil {
			if p != nil || !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "p.yaml") {
				t.Errorf("%v, %v", p, err)
			}
			return
		}
		seen := map[string]bool{}
		for _, l := range p.Layers {
			for _, name := range l.DependsOn {
				if !seen[name] {
					t.Errorf("%s comes before %s, which it depends on", l.Name, name)
				}
			}
			if seen[l.Name] || l.Name == "" {
				t.Errorf("%q is there twice or empty", l.Name)
			}
			seen[l.Name] = true
		}
		for _, v := range p.Variables {
			if err := v.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
