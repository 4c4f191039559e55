package k8s

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/registry"
)

// definitionOf is a CustomResourceDefinition of PLURAL.test.landfall.dev.
func definitionOf(plural, kind, scope string) string {
	return doc("apiextensions.k8s.io/v1", "CustomResourceDefinition", plural+".test.landfall.dev", "",
		"spec: {group: test.landfall.dev, scope: "+scope+", names: {plural: "+plural+", kind: "+kind+"}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}")
}

func custom(plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "test.landfall.dev", Version: "v1", Resource: plural}
}

func thing(kind, name, meta string) string {
	return doc("test.landfall.dev/v1", kind, name, meta, "spec: {size: 1}")
}

// What a version does not have any more goes, what was applied last first; what holds data,
// is to be kept, is used by others or is not the layer's stays, and is named.
func testPrune(t *testing.T, o *objects) {
	const ns = "prune"
	stays := configMap("stays", "1")
	o.apply(t, layerOf(ns, "1", stays,
		configMap("prune-settings", "1"), configMap("theirs", "1"), configMap("moved", "1"),
		doc("v1", "Secret", "kept", "annotations: {helm.sh/resource-policy: keep}", "stringData: {a: b}"),
		doc("v1", "PersistentVolumeClaim", "data", "", "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"),
		doc("v1", "Namespace", "prune-empty", "", ""), doc("v1", "Namespace", "prune-used", "", ""), configMap("prune-empty/prune-inside", "1"),
		definitionOf("gadgets", "Gadget", "Namespaced"), thing("Gadget", "prune-one", ""),
		definitionOf("widgets", "Widget", "Cluster"),
		workload("Deployment", "prune-web", "", "", ""),
	))
	theirs := o.get(t, configMaps, ns, "theirs")
	o.delete(t, configMaps, ns, "theirs")
	o.create(t, configMaps, doc("v1", "ConfigMap", ns+"/theirs", "labels: {landfall.dev/layer: "+theirs.GetLabels()["landfall.dev/layer"]+"}", ""))
	o.create(t, configMaps, configMap("prune-used/people", "1"))
	o.create(t, custom("widgets"), thing("Widget", "people", ""))
	other := layerOf("prune-other", "1", configMap(ns+"/moved", "2"))
	o.apply(t, other)

	r := o.record(t, "", webKind, configMaps, spaceKind, typeKind, custom("gadgets"))
	applied := o.apply(t, layerOf(ns, "2", stays))
	eventually(t, limit, "the order in which objects go", func() (bool, string) {
		got := only(r.take(), "Deployment/prune-web Gadget/prune-one CustomResourceDefinition/gadgets.test.landfall.dev ConfigMap/prune-settings ConfigMap/prune-inside Namespace/prune-empty")
		return got == "-Gadget/prune-one -Deployment/prune-web -CustomResourceDefinition/gadgets.test.landfall.dev -ConfigMap/prune-inside -ConfigMap/prune-settings -Namespace/prune-empty", got
	})
	left := strings.Join(applied.Left, "\n")
	for _, want := range []string{
		"CustomResourceDefinition widgets.test.landfall.dev (Widget people is there)", "ConfigMap prune/theirs (somebody else has made it again)", "ConfigMap prune/moved (it belongs to layer prune-other)",
		"Secret prune/kept (helm.sh/resource-policy: keep)", "PersistentVolumeClaim prune/data (it may hold what people have made)", "Namespace prune-used (ConfigMap prune-used/people is there)",
	} {
		if !strings.Contains(left, want) {
			t.Errorf("left:\n%s\nwant %s", left, want)
		}
	}
	if len(applied.Left) != 6 {
		t.Errorf("left:\n%s\nwant 6", left)
	}
	for kind, name := range map[schema.GroupVersionResource]string{secrets: "kept", claimKind: "data", configMaps: "moved"} {
		if o.get(t, kind, ns, name) == nil {
			t.Errorf("%s is gone", name)
		}
	}
	if o.get(t, configMaps, ns, "theirs") == nil || o.get(t, configMaps, ns, "stays") == nil || o.get(t, custom("widgets"), "", "people") == nil || o.get(t, configMaps, "prune-used", "people") == nil {
		t.Error("something is gone that belongs to somebody else")
	}
	if _, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: limit}); err != nil || o.get(t, configMaps, ns, "stays") != nil || o.get(t, configMaps, ns, "moved") == nil {
		t.Errorf("removing the layer: %v", err)
	}
}

// only are the events of some objects.
func only(events, objects string) string {
	var list []string
	for _, e := range strings.Fields(events) {
		for _, o := range strings.Fields(objects) {
			if e[1:] == o {
				list = append(list, e)
			}
		}
	}
	return strings.Join(list, " ")
}

// What ends an object may be part of its layer: it stays until the object has gone, and
// who does not let it go is named.
func testPruneWaits(t *testing.T, o *objects) {
	const ns = "prune-waits"
	o.apply(t, layerOf(ns, "1", definitionOf("slows", "Slow", "Namespaced"), thing("Slow", "one", "finalizers: [test.landfall.dev/operator]"), workload("Deployment", "operator", "", "", "")))
	_, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: 5 * time.Second})
	refused(t, err, registry.ErrConflict, "Slow "+ns+"/one", "test.landfall.dev/operator", "within 5s")
	if o.get(t, webKind, ns, "operator") == nil {
		t.Error("the operator is gone before what it has to end")
	}
	o.patch(t, custom("slows"), ns, "one", "operator", map[string]any{"metadata": map[string]any{"finalizers": nil}})
	if _, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: limit}); err != nil || o.get(t, webKind, ns, "operator") != nil {
		t.Errorf("going on: %v", err)
	}
}

// A Job whose work changes is made again, one whose work does not is left; a Job of
// somebody else is not touched.
func testJobs(t *testing.T, o *objects) {
	const ns = "jobs"
	load := job("load", "", ends)
	o.apply(t, layerOf(ns, "1", load))
	uid := o.get(t, jobKind, ns, "load").GetUID()
	o.apply(t, layerOf(ns, "2", load))
	now := o.get(t, jobKind, ns, "load")
	if now.GetUID() != uid || now.GetAnnotations()["landfall.dev/definition"] != "edge:2" {
		t.Error("a Job that is done and has not changed was made again, or not noted as the new version's")
	}
	o.apply(t, layerOf(ns, "3", strings.Replace(load, "work:1", "work:2", 1)))
	if o.get(t, jobKind, ns, "load").GetUID() == uid {
		t.Error("a Job whose image changed was not made again")
	}
	o.apply(t, layerOf(ns, "4", configMap("settings", "1"))) // a Job that was made again is the layer's
	if o.get(t, jobKind, ns, "load") != nil {
		t.Error("a Job that was made again was not taken away")
	}
	theirs := o.create(t, jobKind, job(ns+"/theirs", "", ends))
	_, err := o.client.Apply(t.Context(), layerOf(ns, "5", strings.Replace(job("theirs", "", ends), "work:1", "work:2", 1)), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrConflict, "Job jobs/theirs", "does not say that it is a layer's")
	if o.get(t, jobKind, ns, "theirs").GetUID() != theirs.GetUID() {
		t.Error("somebody else's Job was made again")
	}
	// One that goes by itself when it is done is not waited for.
	o.apply(t, layerOf("jobs-gone", "1", strings.Replace(load, "backoffLimit: 0", "ttlSecondsAfterFinished: 0, backoffLimit: 0", 1)))
}

// What cannot be changed at an object is named with its field.
func testFixed(t *testing.T, o *objects) {
	const ns = "fixed"
	service := func(ip string) string {
		return doc("v1", "Service", "web", "", "spec: {clusterIP: "+ip+", ports: [{port: 80}], selector: {app: web}}")
	}
	set := func(size, more string) string {
		return workload("StatefulSet", "db", "serviceName: db, "+more+" volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: "+size+"}}}}],", "", "")
	}
	web := workload("Deployment", "web", "", "", "")
	o.apply(t, layerOf(ns, "1", service("10.96.7.1"), set("1Gi", "replicas: 0,"), web))
	for _, one := range []struct{ change, object, field string }{
		{service("10.96.7.2"), "Service fixed/web", "spec.clusterIPs[0]"},
		{set("2Gi", "replicas: 0,"), "StatefulSet fixed/db", "spec.volumeClaimTemplates"},
		{strings.ReplaceAll(web, "app: web", "app: other"), "Deployment fixed/web", "spec.selector.matchLabels"},
	} {
		_, err := o.client.Apply(t.Context(), layerOf(ns, "2", service("10.96.7.1"), set("1Gi", "replicas: 0,"), web, one.change), kube.ApplyOptions{Limit: limit})
		refused(t, err, registry.ErrInvalid, one.object, one.field+" cannot be changed")
	}
	_, err := o.client.Apply(t.Context(), layerOf(ns, "2", doc("v1", "Service", "new", "", "spec: {ports: [{port: 0}]}")), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrInvalid, "Service fixed/new", "spec.ports[0].port")
	if err != nil && strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("%v: it could be, it is only wrong", err)
	}
	_, err = o.client.Apply(t.Context(), layerOf(ns, "2", doc("v1", "ConfigMap", "number", "", "data: {a: 1}")), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrInvalid, "ConfigMap fixed/number", ".data.a: expected string")
	o.apply(t, layerOf(ns, "3", service("10.96.7.1"), set("1Gi", "replicas: 0, minReadySeconds: 1,"), web)) // what may be changed, is
}

// Kinds come before their objects, in the same layer, in one before, or from somebody
// else a moment later; one that never comes is named.
func testKinds(t *testing.T, o *objects) {
	const ns = "kinds"
	o.apply(t, layerOf(ns, "1", thing("Local", "one", ""), thing("Global", "one", ""), definitionOf("locals", "Local", "Namespaced"), definitionOf("globals", "Global", "Cluster")))
	o.apply(t, layerOf("kinds-next", "1", thing("Local", ns+"/two", ""), thing("Global", "two", "")))
	if o.get(t, custom("locals"), ns, "two") == nil || o.get(t, custom("globals"), "", "one") == nil || o.get(t, custom("globals"), "", "two") == nil {
		t.Error("objects of new kinds are missing")
	}
	_, err := o.client.Apply(t.Context(), layerOf("kinds-never", "1", configMap("before", "1"), thing("Never", "one", "")), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrInvalid, "Never kinds-never/one", "test.landfall.dev/v1", "dependsOn")
	ended := make(chan error, 1)
	go func() {
		_, err := o.client.Apply(within(t, limit), layerOf("kinds-late", "1", thing("Late", "one", "")), kube.ApplyOptions{})
		ended <- err
	}()
	eventually(t, limit, "the layer's namespace", func() (bool, string) { return o.get(t, spaceKind, "", "kinds-late") != nil, "" })
	o.create(t, typeKind, definitionOf("lates", "Late", "Namespaced"))
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// Without the layer its objects of both scopes are gone, and their kinds with them.
	for _, layer := range []string{"kinds-next", ns} {
		if applied, err := o.client.RemoveLayer(t.Context(), layer, kube.ApplyOptions{Limit: limit}); err != nil || len(applied.Left) > 0 {
			t.Errorf("removing %s: %v, left %v", layer, err, applied.Left)
		}
	}
	if o.get(t, typeKind, "", "globals.test.landfall.dev") != nil {
		t.Error("a kind without objects is there still")
	}
}

// Fields that others have set are set back, with who it was; those that the layer does not
// have stay, and so does the number of replicas that an autoscaler has chosen.
func testConflicts(t *testing.T, o *objects) {
	const ns = "conflicts"
	documents := []string{configMap("settings", "1"), workload("Deployment", "web", "replicas: 1,", "", "")}
	o.apply(t, layerOf(ns, "1", documents...))
	if applied := o.apply(t, layerOf(ns, "1", documents...)); len(applied.Taken) > 0 {
		t.Errorf("taken from others when there are none: %v", applied.Taken)
	}
	o.patch(t, configMaps, ns, "settings", "kubectl-edit", map[string]any{"data": map[string]any{"a": "2", "b": "theirs"}})
	o.patch(t, webKind, ns, "web", "kube-controller-manager", map[string]any{"spec": map[string]any{"replicas": 3}}, "scale")
	var told []string
	applied, err := o.client.Apply(t.Context(), layerOf(ns, "2", documents...), kube.ApplyOptions{Limit: limit, Progress: func(text string) { told = append(told, text) }})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(applied.Taken, "; "); got != "ConfigMap conflicts/settings: data.a (was set by kubectl-edit)" {
		t.Errorf("taken: %s", got)
	}
	if !strings.Contains(strings.Join(told, "\n"), "kubectl-edit") {
		t.Errorf("nobody was told: %v", told)
	}
	data, _, _ := unstructured.NestedStringMap(o.get(t, configMaps, ns, "settings").Object, "data")
	if data["a"] != "1" || data["b"] != "theirs" {
		t.Errorf("data %v", data)
	}
	web := o.get(t, webKind, ns, "web")
	if n, _, _ := unstructured.NestedInt64(web.Object, "spec", "replicas"); n != 3 {
		t.Errorf("%d replicas, the autoscaler wanted 3", n)
	}
	for _, m := range web.GetManagedFields() {
		if m.Operation == metav1.ManagedFieldsOperationApply && m.Manager != "landfall" {
			t.Errorf("another field manager applies: %s", m.Manager)
		}
	}
	// By hand it is none, and the definition counts.
	o.patch(t, webKind, ns, "web", "kubectl", map[string]any{"spec": map[string]any{"replicas": 2}}, "scale")
	o.apply(t, layerOf(ns, "3", documents...))
	if n, _, _ := unstructured.NestedInt64(o.get(t, webKind, ns, "web").Object, "spec", "replicas"); n != 1 {
		t.Errorf("%d replicas, the definition has 1", n)
	}
}

// What a version that was never ready has made goes with it.
func testInterrupted(t *testing.T, o *objects) {
	const ns = "interrupted"
	stays := configMap("stays", "1")
	o.apply(t, layerOf(ns, "1", stays, configMap("old", "1")))
	_, err := o.client.Apply(t.Context(), layerOf(ns, "2", stays, configMap("new", "1"), workload("Deployment", "never", "", "annotations: {plane/hold: begin}", "")), kube.ApplyOptions{Limit: 3 * time.Second})
	refused(t, err, registry.ErrConflict, "layer interrupted did not get ready within 3s", "Deployment interrupted/never: 0 of 1 replicas are available")
	if o.get(t, configMaps, ns, "old") == nil || o.get(t, configMaps, ns, "new") == nil {
		t.Error("something was taken away before the layer was ready, or not made")
	}
	applied := o.apply(t, layerOf(ns, "1", stays, configMap("old", "1"))) // the way back
	if got := strings.Join(applied.Pruned, ", "); got != "Deployment interrupted/never, ConfigMap interrupted/new" {
		t.Errorf("pruned %s", got)
	}
}

// A namespace that is being deleted is waited for, and made again.
func testNamespaceEnds(t *testing.T, o *objects) {
	const ns = "ending"
	o.create(t, spaceKind, doc("v1", "Namespace", ns, "", ""))
	o.create(t, configMaps, doc("v1", "ConfigMap", ns+"/holds", "finalizers: [test.landfall.dev/people]", ""))
	uid := o.get(t, spaceKind, "", ns).GetUID()
	o.delete(t, spaceKind, "", ns)
	ended := make(chan error, 1)
	go func() {
		_, err := o.client.Apply(within(t, limit), layerOf(ns, "1", configMap("settings", "1")), kube.ApplyOptions{})
		ended <- err
	}()
	_, err := o.client.Apply(t.Context(), layerOf(ns, "1", configMap("settings", "1")), kube.ApplyOptions{Limit: 4 * time.Second})
	refused(t, err, registry.ErrConflict, "Namespace ending", "the one before it ends")
	o.patch(t, configMaps, ns, "holds", "people", map[string]any{"metadata": map[string]any{"finalizers": nil}})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if o.get(t, spaceKind, "", ns).GetUID() == uid || o.get(t, configMaps, ns, "settings") == nil {
		t.Error("the layer is in the namespace that was deleted")
	}
}
