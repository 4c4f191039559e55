package profile_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/schematest"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// The schema takes what the parser takes, and refuses what it can.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, profile.Schema())
	for _, content := range []string{smallest, base, example(t)} {
		if err := schematest.Validate(t, s, content); err != nil {
			t.Errorf("%v", err)
		}
	}
	for _, content := range []string{
		"{}", strings.Replace(smallest, "v1alpha1", "v2", 1), strings.Replace(smallest, "1.0.0", "v1.0.0", 1), strings.Replace(smallest, "edge", "Edge", 1),
		layers("edge", "{name: app}"), layers("edge", "{images: [a]}"), head("edge") + "  layers: []\n",
		layers("edge", "{name: app, images: []}"), layers("edge", "{name: app, chart: {oci: 'oci://h.io/a'}}"), layers("edge", "{name: app, chart: {repository: 'https://h.io', version: 1.2.3}}"),
		layers("edge", "{name: app, chart: {path: a, oci: 'oci://h.io/a', version: 1.2.3}}"), layers("edge", "{name: app, chart: {oci: 'oci://h.io/a', version: ^1.2.3}}"),
		layers("edge", "{name: app, manifests: [{path: a, kustomize: b}]}"), layers("edge", "{name: app, type: apps, images: [a]}"),
		layers("edge", "{name: app, images: [a], upgrade: {policy: now}}"), smallest + "  platforms: [amd64]\n", smallest + "  variables: [{name: v, type: text}]\n",
		smallest + "  variables: [{name: v, default: null}]\n", layers("edge", "{name: app, images: [a], ignore: [{image: 'a.io/**'}]}"),
	} {
		if schematest.Validate(t, s, content) == nil {
			t.Errorf("the schema takes %s", content)
		}
		if _, err := profile.Parse("p.yaml", []byte(content)); err == nil {
			t.Errorf("the parser takes %s", content)
		}
	}
}

// The schema and the parser know the same fields everywhere, and the same formats.
func TestSchemaFields(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, profile.Schema())
	var doc map[string]any
	if err := json.Unmarshal(profile.Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) map[string]any {
		v := doc
		for _, name := range path {
			v = v[name].(map[string]any)
		}
		return v["properties"].(map[string]any)
	}
	def := func(path ...string) map[string]any { return at(append([]string{"$defs"}, path...)...) }
	layer := func(s string) string { return layers("edge", "{name: app, "+s+"}") }
	manifest := doc["$defs"].(map[string]any)["manifest"].(map[string]any)["oneOf"].([]any)[1].(map[string]any)["properties"].(map[string]any)
	seen := 0
	for content, want := range map[string]map[string]any{
		smallest + "nonsense: 1\n":                                                              doc["properties"].(map[string]any),
		strings.Replace(smallest, "1.0.0}", "1.0.0, nonsense: 1}", 1):                           at("properties", "metadata"),
		smallest + "  nonsense: 1\n":                                                            at("properties", "spec"),
		smallest + "  groups: [{name: a, nonsense: 1}]\n":                                       def("group"),
		smallest + "  variables: [{name: a, nonsense: 1}]\n":                                    def("variable"),
		layer("images: [a], nonsense: 1"):                                                       def("layer"),
		layer("profile: {path: a, version: 1.0.0, nonsense: 1}"):                                def("layer", "properties", "profile"),
		layer("type: kubernetes, kubernetes: {distribution: k3s, version: 1.0.0, nonsense: 1}"): def("layer", "properties", "kubernetes"),
		layer("images: [a], upgrade: {nonsense: 1}"):                                            def("layer", "properties", "upgrade"),
		layer("chart: {path: a, nonsense: 1}"):                                                  def("chart"),
		layer("chart: {path: a, valueSets: [{name: a, values: {}, nonsense: 1}]}"):              def("valueSet"),
		layer("manifests: [{path: a, nonsense: 1}]"):                                            manifest,
		layer("files: [{path: a, nonsense: 1}]"):                                                def("file"),
		layer("providers: [{name: a, path: b, nonsense: 1}]"):                                   def("provider"),
		layer("images: [a], imageRules: [{kind: A, path: b, nonsense: 1}]"):                     def("imageRule"),
		layer("images: [a], ignore: [{image: 'a.io/b', reason: c, nonsense: 1}]"):               def("ignore"),
	} {
		_, err := profile.Parse("p.yaml", []byte(content))
		if err == nil || schematest.Validate(t, s, content) == nil {
			t.Errorf("%s was taken", content)
			continue
		}
		m := regexp.MustCompile(`unknown field "nonsense" \((.*)\)`).FindStringSubmatch(err.Error())
		if m == nil {
			t.Errorf("%s: %v", content, err)
			continue
		}
		seen++
		known := strings.Split(m[1], ", ")
		var stated []string
		for name := range want {
			stated = append(stated, name)
		}
		slices.Sort(known)
		if slices.Sort(stated); !slices.Equal(known, stated) {
			t.Errorf("%s: the parser knows %v, the schema %v", content, known, stated)
		}
	}
	if all := bytes.Count(profile.Schema(), []byte(`"properties"`)); all != seen {
		t.Errorf("the schema has %d lists of fields, %d were compared", all, seen)
	}
	enum := func(field string) (list []string) {
		for _, v := range def("variable")[field].(map[string]any)["enum"].([]any) {
			list = append(list, v.(string))
		}
		return list
	}
	if !slices.Equal(enum("format"), variable.Formats()) {
		t.Errorf("formats %v, %v", enum("format"), variable.Formats())
	}
	if types := enum("type"); len(types) != len(variable.Types) {
		t.Errorf("types %v, %v", types, variable.Types)
	}
}
