package profile_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// versioned is a profile of layers with a version.
func versioned(name, version string, list ...string) string {
	return strings.Replace(layers(name, list...), "version: 1.0.0", "version: "+version, 1)
}

func TestIncludeRefuses(t *testing.T) {
	t.Parallel()
	include := func(what string) string { return layers("edge", "{name: base, profile: {"+what+"}}") }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"cycle", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0"), "b.yaml": layers("b", "{name: c, profile: {path: c/c.yaml, version: 1.0.0}}"),
			"c/c.yaml": layers("c", "{name: p, profile: {path: ../p.yaml, version: 1.0.0}}")},
			"c/c.yaml:6: spec.layers[0].profile: profiles include each other: p.yaml:6 → b.yaml:6 → c/c.yaml:6 → p.yaml; take one of these out"},
		{"itself", map[string]string{"p.yaml": include("path: ./p.yaml, version: 1.0.0")}, "profiles include each other: p.yaml:6 → p.yaml"},
		{"no file", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0")}, "p.yaml:6: spec.layers[0].profile: b.yaml: there is no such file"},
		{"other version", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0"), "b.yaml": versioned("b", "1.1.0", "{name: a, images: [a]}")},
			"b.yaml is b 1.1.0, and b 1.0.0 is wanted; change version here, or path"},
		{"missing version", map[string]string{"p.yaml": include("path: b, version: 1.0.0"), "b/1.yaml": versioned("b", "1.10.0", "{name: a, images: [a]}"), "b/2.yaml": versioned("b", "1.9.0", "{name: a, images: [a]}"), "b/v.yaml": "a: 1"},
			"missing version: b 1.0.0 is not in b; there are 1.9.0, 1.10.0; take one of these, or put the file there"},
		{"several names", map[string]string{"p.yaml": include("path: b, version: 1.0.0"), "b/1.yaml": layers("b", "{name: a, images: [a]}"), "b/2.yaml": layers("c", "{name: a, images: [a]}")},
			"b has profiles of several names (b, c); add name: to say which"},
		{"no such name", map[string]string{"p.yaml": include("path: b, name: d, version: 1.0.0"), "b/1.yaml": layers("b", "{name: a, images: [a]}")}, "b has no profile d; put it there"},
		{"twice in a folder", map[string]string{"p.yaml": include("path: b, version: 1.0.0"), "b/1.yaml": layers("b", "{name: a, images: [a]}"), "b/2.yaml": layers("b", "{name: a, images: [a]}")}, "b has b 1.0.0 twice (1.yaml, 2.yaml)"},
		{"empty folder", map[string]string{"p.yaml": include("path: b, version: 1.0.0"), "b/x.txt": ""}, "b has no profile; put it there"},
		{"wrong inside", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0"), "b.yaml": layers("b", "{name: a, imags: [a]}")}, `b.yaml:6: spec.layers[0]: unknown field "imags"`},
		{"two versions", map[string]string{"p.yaml": layers("edge", "{name: x, profile: {path: b.yaml, version: 1.0.0}}", "{name: y, profile: {path: c.yaml, version: 1.1.0}}"),
			"b.yaml": layers("b", "{name: a, images: [a]}"), "c.yaml": versioned("b", "1.1.0", "{name: a, images: [a]}")}, "p.yaml:7: spec.layers[1].profile: b is included already, as b 1.0.0 (b.yaml, at p.yaml:6)"},
		{"same name", map[string]string{"p.yaml": include("path: b.yaml, version: 2.0.0"), "b.yaml": versioned("edge", "2.0.0", "{name: a, images: [a]}")}, "b.yaml has the name of the profile that includes it, edge"},
		{"two os layers", map[string]string{"p.yaml": layers("edge", "{name: base, profile: {path: b.yaml, version: 1.0.0}}", "{name: o, type: os, images: [a]}"), "b.yaml": layers("b", "{name: a, type: os, images: [a]}")},
			"p.yaml:7: layer o of type os: there is one already, a at b.yaml:6"},
		{"variables differ", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0") + "  variables: [{name: v}]\n", "b.yaml": layers("b", "{name: a, images: [a]}") + "  variables: [{name: v, default: x}]\n"},
			"p.yaml:6: spec.layers[0].profile: variable v is declared otherwise there (b.yaml:7) and here (p.yaml:7); make the two the same"},
		{"groups differ", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0") + "  groups: [{name: v}]\n", "b.yaml": layers("b", "{name: a, images: [a]}") + "  groups: [{name: v, title: x}]\n"},
			"group v is declared otherwise there"},
		{"not its platform", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0") + "  platforms: [linux/amd64, linux/arm64]\n", "b.yaml": layers("b", "{name: a, images: [a]}") + "  platforms: [linux/amd64]\n"},
			"linux/arm64 is not a platform of the included profile b 1.0.0; take it out of spec.platforms, or add it there (linux/amd64)"},
		{"no common platform", map[string]string{"p.yaml": layers("edge", "{name: x, profile: {path: b.yaml, version: 1.0.0}}", "{name: y, profile: {path: c.yaml, version: 1.0.0}}"),
			"b.yaml": layers("b", "{name: a, images: [a]}") + "  platforms: [linux/amd64]\n", "c.yaml": layers("c", "{name: d, images: [a]}") + "  platforms: [linux/arm64]\n"},
			"p.yaml:7: spec.layers[1].profile: the included profile c 1.0.0 is for none of the platforms of those before (linux/amd64)"},
		{"not declared there", map[string]string{"p.yaml": include("path: b.yaml, version: 1.0.0") + "  variables: [{name: v}]\n", "b.yaml": layers("b", "{name: a, chart: {path: c, values: {a: '${var.v}'}}}")},
			"b.yaml:6: spec.layers[0].chart.values.a: ${var.v}: no variable is called so"},
		{"unknown layer", map[string]string{"p.yaml": layers("edge", "{name: base, profile: {path: b.yaml, version: 1.0.0}}", "{name: o, images: [a], dependsOn: [c]}"), "b.yaml": layers("b", "{name: a, images: [a]}")},
			"no layer is called c (a, base, o)"},
		{"cycle over an include", map[string]string{"p.yaml": layers("edge", "{name: base, dependsOn: [o], profile: {path: b.yaml, version: 1.0.0}}", "{name: o, images: [a], dependsOn: [a]}"), "b.yaml": layers("b", "{name: a, images: [a]}")},
			"layers depend on each other: a (b.yaml:6) → o (p.yaml:7) → a"},
	} {
		p, got := read(t, c.files)
		if p != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nwant %q", c.name, got, c.want)
		}
	}
}

// A version that is missing is also not found, and so is a file.
func TestIncludeNotFound(t *testing.T) {
	t.Parallel()
	dir := written(t, map[string]string{"p.yaml": layers("edge", "{name: base, profile: {path: b, version: 1.0.0}}")})
	if _, err := profile.Read(filepath.Join(dir, "p.yaml")); !errors.Is(err, registry.ErrNotFound) || !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}

// What is included twice counts once, whoever includes it, and all can depend on it.
func TestDiamond(t *testing.T) {
	t.Parallel()
	p, problem := read(t, map[string]string{
		"p.yaml": layers("edge", "{name: mon, profile: {path: sub/mon.yaml, version: 1.0.0}}", "{name: common, profile: {path: common.yaml, version: 1.0.0}}",
			"{name: app, images: [a], dependsOn: [common, mon]}", "{name: dns, images: [a]}"),
		"sub/mon.yaml": layers("mon", "{name: c, profile: {path: ../common.yaml, version: 1.0.0}}", "{name: grafana, manifests: [m], dependsOn: [c]}"),
		"common.yaml":  layers("common", "{name: dns, images: [a]}", "{name: log, images: [a], dependsOn: [dns]}") + "  platforms: [linux/amd64]\n",
	})
	if problem != "" {
		t.Fatal(problem)
	}
	if names(p) != "mon/dns log grafana app dns" {
		t.Error(names(p))
	}
	for name, want := range map[string][]string{"log": {"mon/dns"}, "grafana": {"mon/dns", "log"}, "app": {"mon/dns", "log", "grafana"}, "dns": nil} {
		for _, l := range p.Layers {
			if l.Name != name {
				continue
			}
			if diff := cmp.Diff(want, l.DependsOn); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if p.Layers[0].From != "common 1.0.0" || p.Layers[2].From != "mon 1.0.0" || p.Layers[2].Manifests[0].Path != "sub/m" || p.Layers[3].From != "" {
		t.Errorf("%+v", p.Layers)
	}
	if len(p.Platforms) != 1 || p.Platforms[0].Architecture != "amd64" || len(p.Files) != 3 {
		t.Errorf("%v, %d files", p.Platforms, len(p.Files))
	}
}

// What depends on a later type, as a layer of an included profile that stands for
// several, only counts for those that can.
func TestDependsForAll(t *testing.T) {
	t.Parallel()
	p, problem := read(t, map[string]string{
		"p.yaml":   layers("edge", "{name: base, dependsOn: [cni], profile: {path: b, name: base, version: 1.0.0}}", "{name: cni, type: network, images: [a]}"),
		"b/b.yaml": layers("base", "{name: host, type: os, images: [a]}", "{name: app, images: [a]}"), "b/other.json": "{}",
	})
	if problem != "" {
		t.Fatal(problem)
	}
	if names(p) != "host cni app" || len(p.Layers[0].DependsOn) != 0 || p.Layers[2].DependsOn[0] != "cni" {
		t.Errorf("%+v", p.Layers)
	}
}

func TestIncludeBounds(t *testing.T) {
	t.Parallel()
	chain := map[string]string{"p.yaml": layers("p", "{name: a, profile: {path: p0.yaml, version: 1.0.0}}")}
	for i := range 20 {
		chain[fmt.Sprintf("p%d.yaml", i)] = layers(fmt.Sprintf("p%d", i), fmt.Sprintf("{name: a, profile: {path: p%d.yaml, version: 1.0.0}}", i+1))
	}
	if _, got := read(t, chain); !strings.Contains(got, "p14.yaml:6: spec.layers[0].profile: more than 16 profiles include each other in a row") {
		t.Error(got)
	}
	many := map[string]string{}
	var list []string
	for i := range 3 {
		var inner []string
		for j := range 90 {
			inner = append(inner, fmt.Sprintf("{name: l%d-%d, images: [a]}", i, j))
		}
		many[fmt.Sprintf("b%d.yaml", i)] = layers(fmt.Sprintf("b%d", i), inner...)
		list = append(list, fmt.Sprintf("{name: b%d, profile: {path: b%[1]d.yaml, version: 1.0.0}}", i))
	}
	many["p.yaml"] = layers("p", list...)
	if _, got := read(t, many); !strings.Contains(got, "270 layers with those of included profiles, and at most 200 can be") {
		t.Error(got)
	}
}
