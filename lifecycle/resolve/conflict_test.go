package resolve_test

import (
	"testing"

	"github.com/landfall-dev/landfall/registry"
)

// fighter is a chart with one object of a fixed name.
const fighter = `
-- app/Chart.yaml --
apiVersion: v2
name: app
version: 1.0.0
-- app/templates/map.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: app}
data: {is: "{{ .Values.is }}"}
-- other/Chart.yaml --
apiVersion: v2
name: other
version: 1.0.0
-- a.conf --
a
-- b.conf --
b
-- one/usr/bin/one --
one
-- two/usr/bin/two --
two`

// What two charts or layers bring, each in its own way, is told with both places.
func TestFights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		layers string
		texts  []string // nil: it is built
	}{
		"one chart, two releases": {
			`[{name: a, charts: [{path: app, values: {is: 1}}, {path: app, release: two, values: {is: 2}}]}]`,
			[]string{"ConfigMap default/app is in both layer a, chart app 1.0.0, app/templates/map.yaml:1 (release app) and ", "(release two): leave it out"},
		},
		"one release, two charts": {
			`[{name: a, charts: [{path: app}]}, {name: b, charts: [{path: other, release: app}]}]`,
			[]string{"release app of namespace default is in both layer a, chart app 1.0.0, ", "profile.yaml:5 and layer b, chart other 1.0.0, ", "profile.yaml:5: give one of them another name in its field release"},
		},
		"one release, other values": {`[{name: a, charts: [{path: other}, {path: other, values: {is: 2}}]}]`, []string{"release other of namespace default is in both"}},
		"the same twice":            {`[{name: a, charts: [{path: app}]}, {name: b, charts: [{path: app}]}]`, nil},
		"other namespaces":          {`[{name: a, charts: [{path: app, values: {is: 1}}, {path: app, namespace: two, values: {is: 2}}]}]`, nil},
		"one target": {
			`[{name: a, files: [{path: a.conf, target: /x}]}, {name: b, files: [{path: b.conf, target: /x}]}]`,
			[]string{"/x on hosts is in both layer a, a.conf, ", "and layer b, b.conf, ", "profile.yaml:5: leave it out of one"},
		},
		"one target, other modes": {`[{name: a, files: [{path: a.conf, target: /x}, {path: a.conf, target: /x, mode: "0755"}]}]`, []string{"/x on hosts is in both"}},
		"one target, the same":    {`[{name: a, files: [{path: a.conf, target: /x}]}, {name: b, files: [{path: a.conf, target: /x}]}]`, nil},
		"one target, other hosts": {
			`[{name: a, platforms: [linux/amd64], files: [{path: a.conf, target: /x}]}, {name: b, platforms: [linux/arm64], files: [{path: b.conf, target: /x}]}]`, nil,
		},
		"one provider, two layers": {
			`[{name: a, providers: [{name: kube, version: "1", path: one}]}, {name: b, providers: [{name: kube, version: "2", path: two}]}]`,
			[]string{"provider kube is in both layer a, ", "profile.yaml:5 and layer b, ", "profile.yaml:5, for the same hosts: give one of them another name"},
		},
		"one provider, its layer's hosts": {
			`[{name: a, platforms: [linux/amd64], providers: [{name: kube, path: one}]}, {name: b, providers: [{name: kube, path: two, platforms: [linux/amd64]}]}]`,
			[]string{"provider kube is in both"},
		},
		"one provider, other hosts": {
			`[{name: a, platforms: [linux/amd64], providers: [{name: kube, path: one}]}, {name: b, providers: [{name: kube, path: two, platforms: [linux/arm64]}]}]`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			k.files(header + "  layers: " + c.layers + fighter)
			if c.texts == nil {
				k.mustBuild(nil)
				return
			}
			k.fails(registry.ErrConflict, nil, c.texts...)
		})
	}
}
