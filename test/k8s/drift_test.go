package k8s

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
)

// Containers run what the definition names, by digest and by name; what runs in other
// namespaces is told apart.
func testVerify(t *testing.T, o *objects) {
	const ns = "verify"
	index, platform, other := digest.FromString("index"), digest.FromString("platform"), digest.FromString("other")
	allowed := map[string][]digest.Digest{"docker.io/library/web:1": {index, platform}, "docker.io/library/other:1": {other}}
	pod := func(name, image, id string) string {
		return doc("v1", "Pod", name, "annotations: {plane/image-id: '"+id+"'}", "spec: {initContainers: [{name: first, image: 'web:1'}], containers: [{name: main, image: '"+image+"'}]}")
	}
	o.apply(t, layerOf(ns, "1",
		pod("by-index", "web:1", "docker.io/library/web@"+index.String()), pod("by-platform", "docker.io/library/web:1", "docker.io/library/web@"+platform.String()),
		pod("wrong", "web:1", "docker.io/library/web@"+other.String()), pod("renamed", "site.local/web:1", "site.local/web@"+index.String()),
	))
	debug := map[string]any{"spec": map[string]any{"ephemeralContainers": []any{map[string]any{"name": "debug", "image": "tools:1", "terminationMessagePolicy": "File"}}}}
	o.patch(t, podKind, ns, "by-index", "kubectl-debug", debug, "ephemeralcontainers")
	o.create(t, spaceKind, doc("v1", "Namespace", "verify-outside", "", ""))
	eventually(t, limit, "the account of a new namespace", func() (bool, string) { return o.get(t, accounts, "verify-outside", "default") != nil, "" })
	o.create(t, podKind, pod("verify-outside/people", "tools:2", "tools@"+other.String()))
	const want = "verify-outside/people first verify-outside/people main verify/by-index debug verify/renamed main verify/wrong first verify/wrong main"
	eventually(t, limit, "what is found", func() (bool, string) {
		list, err := o.client.VerifyPods(t.Context(), allowed)
		var got []string
		for _, v := range list {
			if !strings.HasPrefix(v.Pod, "verify") {
				continue
			}
			if v.Outside != strings.HasPrefix(v.Pod, "verify-outside/") {
				t.Errorf("%s: outside %t", v, v.Outside)
			}
			got = append(got, v.Pod+" "+v.Container)
		}
		slices.Sort(got)
		text := strings.Join(got, " ")
		return err == nil && text == want, text + fmt.Sprint(err)
	})
}

// What differs from the definition is found, and nothing that does not; nothing is changed.
func testDrift(t *testing.T, o *objects) {
	const ns = "drift"
	documents := []string{
		configMap("settings", "1"), configMap("gone", "1"), configMap("again", "1"),
		doc("v1", "Secret", "password", "", "stringData: {a: hidden}"),
		workload("Deployment", "web", "replicas: 1,", "", "terminationGracePeriodSeconds: 7,"), job("load", "", ends), job("hooked", hookNotes("pre-install", "0", "hook-succeeded"), ends),
	}
	all := append(slices.Clone(documents), configMap("extra", "1"))
	o.apply(t, layerOf(ns, "1", all...))
	o.apply(t, layerOf("drift-old", "1", configMap("old", "1")))
	want := kube.Wanted{Definition: "edge:1", Layers: []kube.Layer{layerOf(ns, "2", all...), layerOf("drift-old", "1", configMap("old", "1"))}}
	if got := driftOf(t, o, want); len(got) > 0 {
		t.Fatalf("nothing was changed: %v", got)
	}

	o.patch(t, configMaps, ns, "settings", "kubectl-edit", map[string]any{"data": map[string]any{"a": "2", "added": "3"}})
	o.patch(t, secrets, ns, "password", "kubectl-edit", map[string]any{"data": map[string]any{"a": "Mg=="}})
	o.delete(t, configMaps, ns, "gone")
	o.delete(t, configMaps, ns, "again")
	o.create(t, configMaps, configMap(ns+"/again", "1"))
	o.patch(t, webKind, ns, "web", "kubectl-edit", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "evil:1"}}, "terminationGracePeriodSeconds": nil}}}})
	want.Layers = []kube.Layer{layerOf(ns, "2", slices.Concat(documents[:5], []string{strings.Replace(documents[5], "work:1", "work:2", 1)}, documents[6:])...)}
	before := o.get(t, webKind, ns, "web").GetGeneration() // its controller changes the rest
	got := driftOf(t, o, want)
	for _, text := range []string{
		`ConfigMap drift/gone is missing`,
		`ConfigMap drift/again was made again by somebody else`,
		`ConfigMap drift/settings was changed: data.a is "2", "1" is wanted (by kubectl-edit)`,
		`Secret drift/password was changed: data.a is another one (by kubectl-edit)`,
		`Deployment drift/web was changed: spec.template.spec.containers[name="main"].image is "evil:1", "web:1" is wanted (by kubectl-edit); spec.template.spec.terminationGracePeriodSeconds is 30, 7 is wanted`,
		`Job drift/load was changed: spec.template`,
		`ConfigMap drift/extra is there still, and should not be`,
		`ConfigMap drift-old/old is there still, and should not be`,
	} {
		i := slices.IndexFunc(got, func(g string) bool { return strings.HasPrefix(g, text) })
		if i < 0 {
			t.Errorf("not found: %s", text)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Errorf("also found: %s", strings.Join(got, "\n"))
	}
	if o.get(t, webKind, ns, "web").GetGeneration() != before || o.get(t, configMaps, ns, "gone") != nil {
		t.Error("comparing has changed something")
	}

	o.newNode(t, "drift-1", "drift")
	o.patch(t, nodeKind, "", "drift-1", "kubectl-cordon", map[string]any{"spec": map[string]any{"unschedulable": true}})
	d := must(o.client.Drift(t.Context(), kube.Wanted{Definition: "edge:1", Version: "1.99.0", Nodes: []string{"drift-1", "drift-2"}, Images: map[string][]digest.Digest{}}))(t)
	text := d.String()
	for _, line := range []string{
		"node drift-1 has Kubernetes " + second + ", 1.99.0 is wanted, takes no more pods (by kubectl-cordon)\n", "node drift-2 is missing\n",
		"node plane-1 is no host of the cluster, has Kubernetes", "of this name",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%s\nwant a line %s", text, line)
		}
	}
	if content, err := json.Marshal(d); err != nil || !d.Drifted() || !strings.Contains(string(content), `"cordonedBy":"kubectl-cordon"`) {
		t.Errorf("%s: %v", content, err)
	}
}

// driftOf are the lines about objects of these tests' own layers.
func driftOf(t *testing.T, o *objects, want kube.Wanted) (lines []string) {
	t.Helper()
	d := must(o.client.Drift(t.Context(), want))(t)
	for _, l := range d.Layers {
		for _, object := range l.Objects {
			if strings.HasPrefix(l.Layer, "drift") {
				lines = append(lines, object.String())
			}
		}
	}
	return lines
}
