package k8s

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/registry"
)

// Hooks are made at their events, by weight, each awaited; they are deleted as they say,
// and go with the version that does not have them any more, and with the layer.
func testHooks(t *testing.T, o *objects) {
	const ns = "hooks"
	settings := configMap("settings", "1")
	first := job("first", hookNotes("pre-install,pre-upgrade", "-5", "hook-succeeded"), ends)
	account := doc("v1", "ServiceAccount", "hooker", "annotations: {"+hookNotes("pre-install", "-10", "hook-succeeded,before-hook-creation")+"}", "")
	second := job("second", hookNotes("pre-install", "0", ""), ends)
	after := job("after", hookNotes("post-install", "0", ""), ends)
	up := job("up", hookNotes("pre-upgrade", "1", ""), ends)

	o.apply(t, layerOf(ns, "0")) // so that there is a namespace to watch
	if _, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: limit}); err != nil {
		t.Fatal(err)
	}
	r := o.record(t, ns, jobKind, accounts, configMaps)
	all := []string{settings, up, after, second, first, account}
	o.apply(t, layerOf(ns, "1", all...))
	r.want(t, "+ServiceAccount/hooker +Job/first +Job/second -Job/first -ServiceAccount/hooker +ConfigMap/settings +Job/after")
	o.apply(t, layerOf(ns, "2", all...))
	r.want(t, "+Job/first +Job/up -Job/first")
	applied := o.apply(t, layerOf(ns, "3", settings, up, first))
	r.want(t, "+Job/first -Job/up +Job/up -Job/first -Job/second -Job/after")
	if len(applied.Pruned) != 2 {
		t.Errorf("pruned %v, want the two hooks", applied.Pruned)
	}
	if _, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: limit}); err != nil {
		t.Fatal(err)
	}
	r.want(t, "-Job/up -ConfigMap/settings")
}

// A hook that fails stops its layer, and is named with what its pod said last, from the
// pod's state or from its log. What is tried again is an installation still.
func testHookFails(t *testing.T, o *objects) {
	const ns = "hook-fails"
	settings, other := configMap("settings", "1"), job("other", hookNotes("pre-install", "-1", "hook-succeeded"), ends)
	for says, pod := range map[string]string{
		"no database at db:5432": fails + ", plane/says: 'no database at db:5432'",
		"line 1 | line 2":        fails + ", plane/logs: \"line 1\\nline 2\\n\"",
	} {
		_, err := o.client.Apply(t.Context(), layerOf(ns, "1", settings, other, job("migrate", hookNotes("pre-install", "0", "hook-failed"), pod)), kube.ApplyOptions{Limit: limit})
		refused(t, err, registry.ErrConflict, "layer "+ns, "pre-install hook", "Job "+ns+"/migrate", "exit code 3", says)
		if o.get(t, configMaps, ns, "settings") != nil {
			t.Error("objects were applied after a hook that failed")
		}
		if o.get(t, jobKind, ns, "migrate") != nil || o.get(t, jobKind, ns, "other") != nil {
			t.Error("hooks are there still, which should be deleted when they fail or succeed")
		}
	}
	// One that stays when it fails is made again, also when it does not say so.
	_, err := o.client.Apply(t.Context(), layerOf(ns, "1", settings, job("migrate", hookNotes("pre-install", "0", "hook-succeeded"), fails)), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrConflict, "Job "+ns+"/migrate")
	o.apply(t, layerOf(ns, "1", settings, job("migrate", hookNotes("pre-install", "0", "hook-succeeded"), ends), job("up", hookNotes("pre-upgrade", "0", ""), fails)))
	if o.get(t, configMaps, ns, "settings") == nil || o.get(t, jobKind, ns, "up") != nil {
		t.Error("the second try of an installation is an upgrade")
	}
}

// A hook that runs when the program is killed is awaited by the next one, not made again.
func testHookResumes(t *testing.T, o *objects) {
	const ns = "hook-resumes"
	l := layerOf(ns, "1", configMap("settings", "1"), job("migrate", hookNotes("pre-install", "0", ""), ends+", plane/hold: begin"))
	ctx, kill := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := o.client.Apply(ctx, l, kube.ApplyOptions{})
		ended <- err
	}()
	eventually(t, limit, "the hook's pod", func() (bool, string) {
		list, err := o.api.Resource(podKind).Namespace(ns).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 1, fmt.Sprint(err)
	})
	kill()
	if err := <-ended; err == nil {
		t.Fatal("it ended before its hook")
	}
	uid := o.get(t, jobKind, ns, "migrate").GetUID()
	go func() {
		_, err := o.client.Apply(within(t, limit), l, kube.ApplyOptions{})
		ended <- err
	}()
	o.release(t, ns)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if now := o.get(t, jobKind, ns, "migrate"); now == nil || now.GetUID() != uid {
		t.Error("the hook was made again")
	}
	// Applied as a whole, the next version's hooks are an upgrade's.
	before := time.Now()
	o.apply(t, layerOf(ns, "2", configMap("settings", "2"), job("migrate", hookNotes("pre-upgrade", "0", ""), ends)))
	if now := o.get(t, jobKind, ns, "migrate"); now == nil || now.GetUID() == uid {
		t.Errorf("an upgrade's hook was not made (%s)", time.Since(before))
	}
}

// A Pod as a hook is awaited until it has ended, also in a namespace that is new; with
// anything else it is enough that it is there.
func testHookPod(t *testing.T, o *objects) {
	const ns = "hook-pod"
	pod := func(annotations string) string {
		return doc("v1", "Pod", "check", "annotations: {"+hookNotes("pre-install,pre-upgrade", "0", "")+", "+annotations+"}", "spec: {restartPolicy: Never, containers: [{name: main, image: 'work:1'}]}")
	}
	never := strings.Replace(workload("Deployment", "never", "", "annotations: {plane/hold: begin}", ""), "{name: never, }", "{name: never, annotations: {"+hookNotes("pre-install", "-1", "")+"}}", 1)
	o.apply(t, layerOf(ns, "1", configMap("settings", "1"), pod(ends), never))
	phase, _, _ := unstructured.NestedString(o.get(t, podKind, ns, "check").Object, "status", "phase")
	if phase != "Succeeded" || o.get(t, configMaps, ns, "settings") == nil || o.get(t, webKind, ns, "never") == nil {
		t.Errorf("the hook is %s", phase)
	}
	_, err := o.client.Apply(t.Context(), layerOf(ns, "2", configMap("settings", "2"), pod(fails+", plane/says: no network")), kube.ApplyOptions{Limit: limit})
	refused(t, err, registry.ErrConflict, "pre-upgrade hook", "Pod hook-pod/check", "no network")
	if _, err := o.client.RemoveLayer(t.Context(), ns, kube.ApplyOptions{Limit: limit}); err != nil || o.get(t, webKind, ns, "never") != nil || o.get(t, podKind, ns, "check") != nil {
		t.Errorf("hooks are there without their layer: %v", err)
	}
}
