package k8s

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/test/k8s/plane"
)

// newNode makes a node to which pods with "on: NAME" come.
func (o *objects) newNode(t *testing.T, name, on string) {
	t.Helper()
	if err := o.player.NewNode(t.Context(), name, second, on); err != nil {
		t.Fatal(err)
	}
}

func on(name string) string { return "nodeSelector: {'on': " + name + "}," }

// podsOn are the names of the pods on a node.
func (o *objects) podsOn(t *testing.T, node string) string {
	t.Helper()
	list := must(o.api.Resource(podKind).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}))(t)
	var names []string
	for _, p := range list.Items {
		name, _, _ := strings.Cut(p.GetName(), "-")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (o *objects) cordoned(t *testing.T, node string) bool {
	t.Helper()
	is, _, _ := unstructured.NestedBool(o.get(t, nodeKind, "", node).Object, "spec", "unschedulable")
	return is
}

// progress is what was told.
type progress struct {
	mu   sync.Mutex // protects list
	list []string
}

func (p *progress) tell(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, text)
}

func (p *progress) has(words ...string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.list {
		all := true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return true
		}
	}
	return false
}

// A node is emptied but for DaemonSets and static pods, whichever pods come in the place of
// those that left; what is lost with a pod is told; it goes on where it was killed.
func testDrain(t *testing.T, o *objects) {
	const ns = "drain"
	o.newNode(t, "drain-1", ns)
	o.apply(t, layerOf(ns, "1",
		workload("Deployment", "web", "replicas: 2,", "annotations: {plane/hold: end}", on(ns)+"volumes: [{name: cache, emptyDir: {}}],"),
		workload("DaemonSet", "agent", "", "", on(ns)),
		workload("StatefulSet", "db", "serviceName: db,", "annotations: {plane/stays: 'yes'}", on(ns)), // it comes back under its name
	))
	mirror := doc("v1", "Pod", ns+"/static", "annotations: {kubernetes.io/config.mirror: x, kubernetes.io/config.source: file}", "spec: {nodeName: drain-1, containers: [{name: main, image: 'web:1'}]}")
	o.create(t, podKind, mirror)
	db := o.get(t, podKind, ns, "db-0").GetUID()

	ctx, kill := context.WithCancel(t.Context())
	ended, p := make(chan error, 1), &progress{}
	go func() { ended <- o.client.Drain(ctx, "drain-1", kube.DrainOptions{Progress: p.tell}) }()
	eventually(t, limit, "pods that leave", func() (bool, string) { return p.has("2 pods are leaving"), fmt.Sprint(p.list) })
	kill() // while web's two pods end
	if err := <-ended; err == nil {
		t.Fatal("it ended before its pods had left")
	}
	if !p.has("emptyDir", ns+"/web-") || p.has("emptyDir", "db-0") {
		t.Errorf("what is lost was not told, or more: %v", p.list)
	}
	o.release(t, ns)
	if err := o.client.Drain(within(t, limit), "drain-1", kube.DrainOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, "pods on the node", func() (bool, string) {
		got := o.podsOn(t, "drain-1")
		return got == "agent db static", got
	})
	if o.get(t, podKind, ns, "db-0").GetUID() == db {
		t.Error("the StatefulSet's pod has not left")
	}
	if !o.cordoned(t, "drain-1") {
		t.Error("the node takes pods")
	}
	if err := o.client.Uncordon(t.Context(), "drain-1"); err != nil || o.cordoned(t, "drain-1") {
		t.Errorf("it takes no pods after it was let back: %v", err)
	}
}

// A budget that lets no pod go is named with the pods that it holds, after a while and when
// the limit is reached, and before it is begun.
func testDrainBudget(t *testing.T, o *objects) {
	const ns = "budget"
	o.newNode(t, "budget-1", ns)
	o.apply(t, layerOf(ns, "1", workload("Deployment", "web", "replicas: 2,", "", on(ns)), workload("Deployment", "free", "", "", on(ns)),
		doc("policy/v1", "PodDisruptionBudget", "guard", "", "spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}")))
	var blockers []kube.Blocker
	eventually(t, limit, "what blocks", func() (bool, string) {
		var err error
		blockers, err = o.client.Blockers(t.Context(), []string{"budget-1"})
		return err == nil && len(blockers) == 2 && blockers[0].Budget == ns+"/guard", fmt.Sprint(blockers, err)
	})
	p := &progress{}
	err := o.client.Drain(t.Context(), "budget-1", kube.DrainOptions{Limit: 3 * time.Second, Grace: time.Second, Progress: p.tell})
	refused(t, err, registry.ErrConflict, "node budget-1", "within 3s", "PodDisruptionBudget budget/guard lets none of these go: budget/web-", ", budget/web-")
	if !p.has("PodDisruptionBudget budget/guard") {
		t.Errorf("the budget was not named after its grace: %v", p.list)
	}
	if got := o.podsOn(t, "budget-1"); got != "web web" {
		t.Errorf("on the node: %s, want what the budget holds", got)
	}
	// With one more elsewhere they may go, one after another.
	o.newNode(t, "budget-2", ns)
	o.patch(t, webKind, ns, "web", "somebody", map[string]any{"spec": map[string]any{"replicas": 3}})
	if err := o.client.Drain(within(t, limit), "budget-1", kube.DrainOptions{}); err != nil || o.podsOn(t, "budget-1") != "" {
		t.Errorf("%v, on the node: %s", err, o.podsOn(t, "budget-1"))
	}
}

// A pod that nobody would make again is named before anything is changed.
func testDrainRefuses(t *testing.T, o *objects) {
	const ns = "drain-refuses"
	o.newNode(t, "refuses-1", ns)
	o.apply(t, layerOf(ns, "1", workload("Deployment", "web", "", "", on(ns)), doc("v1", "Pod", "alone", "", "spec: {"+on(ns)+" containers: [{name: main, image: 'web:1'}]}")))
	err := o.client.Drain(t.Context(), "refuses-1", kube.DrainOptions{Limit: limit})
	refused(t, err, registry.ErrConflict, "pod "+ns+"/alone")
	if o.cordoned(t, "refuses-1") || o.podsOn(t, "refuses-1") != "alone web" {
		t.Error("a node that cannot be emptied was begun with")
	}
	if err := o.client.Drain(t.Context(), "refuses-1", kube.DrainOptions{Limit: limit, Force: true}); err != nil || o.podsOn(t, "refuses-1") != "" {
		t.Errorf("by force: %v, %s", err, o.podsOn(t, "refuses-1"))
	}
}

// A node that somebody else keeps pods away from stays so, whenever they did it.
func testCordon(t *testing.T, o *objects) {
	o.newNode(t, "cordon-1", "cordon")
	set := func(to any) {
		o.patch(t, nodeKind, "", "cordon-1", "kubectl-cordon", map[string]any{"spec": map[string]any{"unschedulable": to}})
	}
	cycle := func(meanwhile func()) bool {
		if err := o.client.Drain(t.Context(), "cordon-1", kube.DrainOptions{Limit: limit}); err != nil {
			t.Fatal(err)
		}
		meanwhile()
		if err := o.client.Uncordon(t.Context(), "cordon-1"); err != nil {
			t.Fatal(err)
		}
		return o.cordoned(t, "cordon-1")
	}
	if cycle(func() {}) {
		t.Error("it keeps pods away after its own cordon was taken back")
	}
	set(true)
	if !cycle(func() {}) {
		t.Error("somebody else's cordon was taken back")
	}
	set(nil)
	if !cycle(func() { set(nil); set(true) }) {
		t.Error("a cordon that somebody else has made meanwhile was taken back")
	}
	for _, n := range must(o.client.Nodes(t.Context()))(t) {
		if n.Name == "cordon-1" && n.CordonedBy != "kubectl-cordon" {
			t.Errorf("cordoned by %q", n.CordonedBy)
		}
	}
	set(nil)
	if cycle(func() { set(nil) }) {
		t.Error("a node that somebody else let back is kept from pods")
	}
}

// While a workload of Kubernetes' own is rolled out, and while a pod of it, a node or a
// layer is not well, it is waited for, and named when the time is over.
func testHealth(t *testing.T, o *objects) {
	const system = "kube-system"
	if err := o.client.AwaitPods(within(t, limit), "", nil); err != nil {
		t.Fatal(err)
	}
	findings := must(o.client.Health(within(t, 5*time.Second)))(t)
	if len(findings) > 0 {
		t.Fatalf("%v", findings)
	}
	o.create(t, webKind, workload("Deployment", system+"/dns", "", "annotations: {plane/hold: begin}", ""))
	ended, p := make(chan error, 1), &progress{}
	go func() { ended <- o.client.AwaitPods(within(t, limit), "", p.tell) }()
	eventually(t, limit, "a rollout that is waited for", func() (bool, string) { return p.has("not ready"), "" })
	err := o.client.AwaitPods(within(t, 3*time.Second), "", nil)
	refused(t, err, context.DeadlineExceeded, "Deployment kube-system/dns: 0 of 1 replicas are available", "pod dns-")
	o.release(t, system)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// Its pods are ready, and are to be replaced: that alone is waited for.
	o.patch(t, webKind, system, "dns", "somebody", map[string]any{"spec": map[string]any{"paused": true}})
	o.patch(t, webKind, system, "dns", "somebody", map[string]any{"spec": map[string]any{"paused": false, "template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{plane.NoteHold: "begin", "new": "1"}}}}})
	err = o.client.AwaitPods(within(t, 3*time.Second), "", nil)
	refused(t, err, context.DeadlineExceeded, "Deployment kube-system/dns")
	if err := o.client.AwaitPods(within(t, limit), "plane-9", nil); err != nil {
		t.Errorf("a node without pods: %v", err)
	}
	o.delete(t, webKind, system, "dns")

	o.newNode(t, "sick", "sick")
	o.apply(t, layerOf("health", "1", workload("Deployment", "web", "", "", on("sick"))))
	o.patch(t, nodeKind, "", "sick", "kubelet", map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "no network"}}}}, "status")
	list := must(o.api.Resource(podKind).Namespace("health").List(t.Context(), metav1.ListOptions{}))(t)
	o.patch(t, podKind, "health", list.Items[0].GetName(), "kubelet", map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}}}, "status")
	eventually(t, limit, "findings", func() (bool, string) {
		findings, err := o.client.Health(within(t, 3*time.Second))
		text := fmt.Sprint(findings, err)
		return strings.Contains(text, "node sick is not ready: KubeletNotReady no network") && strings.Contains(text, "Deployment health/web: 0 of 1 pods are ready") && strings.Contains(text, "layer health"), text
	})
}
