package kube

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fields that differ are named as the server names them; what the server keeps itself does
// not count, and what a Secret holds is not told.
func TestDifferences(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: %\nmetadata: {name: a, generation: 1, annotations: {landfall.dev/definition: one, x: y}}\nstatus: {a: b}\n"
	now := head + "data: {same: 1, other: 1, gone: [1]}\nlist: [{name: a, v: 1}, {name: b, v: 1}]\nports: [1, 2]\nlonger: [1]\norder: [{name: a}, {name: b}]\n"
	then := strings.NewReplacer("generation: 1", "generation: 2", ": one", ": two", "{a: b}", "{a: c}").Replace(head) +
		"data: {same: 1, other: 2, new: {a: b}}\nlist: [{name: b, v: 1}, {name: a, v: 2}, {name: c}]\nports: [1, 3]\nlonger: [1, 2]\norder: [{name: b}, {name: a}]\n"
	want := map[string]string{
		`data.gone`: `data.gone is [1], and should not be there`, `data.new`: `data.new is not there, {"a":"b"} is wanted`, `data.other`: `data.other is 1, 2 is wanted (by somebody)`,
		`list[name="a"].v`: `list[name="a"].v is 1, 2 is wanted`, `list[name="c"]`: `list[name="c"] is not there, {"name":"c"} is wanted`,
		`longer`: `longer is [1], [1,2] is wanted`, `ports[1]`: `ports[1] is 2, 3 is wanted`, `order`: `order is [{"name":"a"},{"name":"b"}], [{"name":"b"},{"name":"a"}] is wanted`,
	}
	for _, kind := range []string{"ConfigMap", "Secret"} {
		list := differences(read(t, strings.Replace(now, "%", kind, 1)), read(t, strings.Replace(then, "%", kind, 1)), []claim{{field: "data.other", manager: "somebody"}})
		if len(list) != len(want) {
			t.Errorf("%s: %v", kind, list)
		}
		for _, f := range list {
			if got := f.String(); kind == "ConfigMap" && got != want[f.Path] || kind == "Secret" && (f.Have != "" || f.Want != "" || !strings.Contains(got, "is another one")) {
				t.Errorf("%s: %s, want %s", kind, got, want[f.Path])
			}
		}
	}
}

// What people read names everything that a report has.
func TestDriftText(t *testing.T) {
	t.Parallel()
	d := &Drift{Definition: "edge:1"}
	if d.Drifted() || d.String() != "all is as definition edge:1 says\n" {
		t.Errorf("%s", d)
	}
	d.Images = []Violation{{Pod: "a/b", Container: "c", Image: "x:1", Why: "no", Outside: true}}
	if d.Drifted() || !strings.Contains(d.String(), "outside the definition") {
		t.Error("what runs outside the definition counts, or is not told")
	}
	d.Images[0].Outside = false
	d.Layers = []LayerDrift{{Layer: "shop", Objects: []ObjectDrift{{Object: "ConfigMap a/b", State: ObjectUnknown, Why: "forbidden"}}}}
	d.Nodes = nodeDrift([]Node{{Name: "a", Ready: true, Version: "1.1.0"}, {Name: "b", Version: "1.0.0", Cordoned: true}}, Wanted{Version: "1.1.0", Nodes: []string{"a", "c"}})
	want := "layer shop: ConfigMap a/b cannot be compared: forbidden\n" +
		"node b is no host of the cluster, has Kubernetes 1.0.0, 1.1.0 is wanted, is not ready: nobody has said that it is, takes no more pods\nnode c is missing\n" +
		"pod a/b: container c: x:1: no\n"
	if got := d.String(); !d.Drifted() || got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// Of fields that cannot be changed, those that differ are named.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	have := read(t, "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {replicas: 1, serviceName: a, podManagementPolicy: OrderedReady, volumeClaimTemplates: [{metadata: {name: a}, spec: {size: 1}, status: {phase: Pending}}]}\n")
	want := read(t, "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {replicas: 2, serviceName: a, volumeClaimTemplates: [{metadata: {name: a}, spec: {size: 2}}]}\n")
	cause := metav1.StatusCause{Field: "spec", Message: "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden"}
	if got := strings.Join(narrowed(want.Object, have.Object, cause), " "); got != "spec.volumeClaimTemplates" {
		t.Errorf("%q", got)
	}
	if got := narrowed(want.Object, have.Object, metav1.StatusCause{Field: "spec.ports[0].port"}); got != nil {
		t.Errorf("%q", got)
	}
	if !unchangeable(cause.Message) || unchangeable("Invalid value: 0: must be between 1 and 65535, inclusive") {
		t.Error("what cannot be changed is not told from what is wrong")
	}
}
