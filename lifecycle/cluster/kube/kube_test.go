package kube

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

const layerFiles = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
status: {replicas: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: web}
---
apiVersion: batch/v1
kind: Job
metadata: {name: first, annotations: {helm.sh/hook-weight: "-5", helm.sh/hook-delete-policy: "hook-succeeded, before-hook-creation"}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: second}
`

func layerOf(content string) Layer {
	return Layer{Name: "shop", Definition: "edge:1.0.0", Units: []Unit{{Release: "web", Namespace: "shop", Files: []object.File{{Path: "a.yaml", Content: content}},
		Hooks: map[string][]string{"a.yaml#3": {"pre-install"}, "a.yaml#4": {"pre-install"}}}}}
}

// Objects are applied in an order that works, each marked as the layer's; hooks are kept
// apart, by weight.
func TestRead(t *testing.T) {
	t.Parallel()
	s, err := (&Client{}).read(layerOf(layerFiles))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range s.objects {
		names = append(names, nameOf(o))
		if o.GetLabels()[labelLayer] != "shop" || o.GetAnnotations()[noteDefinition] != "edge:1.0.0" || o.Object["status"] != nil {
			t.Errorf("%v", o.Object)
		}
	}
	if got := strings.Join(names, ", "); got != "ConfigMap shop/web, ClusterRole web, Deployment shop/web" {
		t.Errorf("%s", got)
	}
	if len(s.hooks) != 2 || s.hooks[0].GetName() != "first" || strings.Join(s.hooks[0].policy, " ") != "hook-succeeded before-hook-creation" {
		t.Errorf("%+v", s.hooks)
	}
	if _, err := (&Client{}).read(layerOf("kind: Nameless\n")); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "a.yaml:1") {
		t.Errorf("%v", err)
	}
}

func TestUnready(t *testing.T) {
	t.Parallel()
	deployment := func(status string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 2}\nspec: {replicas: 3}\nstatus: " + status
	}
	for content, want := range map[string]string{
		deployment("{observedGeneration: 1}"):                                                                                                                                             "not looked at",
		deployment("{observedGeneration: 2, updatedReplicas: 1, replicas: 3, availableReplicas: 3}"):                                                                                      "1 of 3 replicas are new",
		deployment("{observedGeneration: 2, updatedReplicas: 3, replicas: 4, availableReplicas: 3}"):                                                                                      "1 replicas of before",
		deployment("{observedGeneration: 2, updatedReplicas: 3, replicas: 3, availableReplicas: 3}"):                                                                                      "",
		deployment("{observedGeneration: 2, updatedReplicas: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}"):                                   "failed",
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded}]}":                                      "failed",
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {conditions: [{type: Complete, status: 'True'}]}":                                                                  "",
		"apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a, generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberReady: 1}": "1 of 2 pods",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}":                                                                                                                            "",
	} {
		objects, err := object.Read(object.File{Path: "a.yaml", Content: content})
		if err != nil {
			t.Fatal(err)
		}
		why, failed := unready(&unstructured.Unstructured{Object: objects[0].Content})
		if failed != (want == "failed") || want != "failed" && (why == "") != (want == "") || want != "failed" && !strings.Contains(why, want) {
			t.Errorf("%s: %q, failed %t", content, why, failed)
		}
	}
}

func read(t *testing.T, content string) *unstructured.Unstructured {
	t.Helper()
	objects, err := object.Read(object.File{Path: "a.yaml", Content: content})
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: objects[0].Content}
}

// Static pods, pods of DaemonSets and pods that are done stay where they are.
func TestDrainFilters(t *testing.T) {
	t.Parallel()
	owner := func(kind string) string {
		return "ownerReferences: [{apiVersion: apps/v1, kind: " + kind + ", name: x, uid: u, controller: true}]"
	}
	for meta, want := range map[string]struct{ stays, unmanaged bool }{
		"annotations: {kubernetes.io/config.mirror: x}": {true, true},
		owner("DaemonSet"):  {true, false},
		owner("ReplicaSet"): {false, false},
		"labels: {a: b}":    {false, true},
	} {
		p := read(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, "+meta+"}\nstatus: {phase: Running}\n")
		if stays(p) != want.stays || unmanaged(p) != want.unmanaged {
			t.Errorf("%s: stays %t, unmanaged %t", meta, stays(p), unmanaged(p))
		}
	}
	budget := "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b, namespace: shop}\nspec: {selector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [test]}]}}\nstatus: {disruptionsAllowed: %}\n"
	pod := read(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {app: web}}\n")
	if !holds(read(t, strings.Replace(budget, "%", "0", 1)), pod) || holds(read(t, strings.Replace(budget, "%", "1", 1)), pod) {
		t.Error("a budget counts when it allows nothing, and only then")
	}
}

// Labels and taints of others stay; ours are replaced.
func TestLabelsAndTaints(t *testing.T) {
	t.Parallel()
	o := read(t, "apiVersion: v1\nkind: Node\nmetadata: {name: a, labels: {theirs: x}}\nspec: {taints: [{key: theirs, effect: NoExecute}]}\n")
	setLabels(o, map[string]string{"ours": "1", "also": "2"})
	setTaints(o, []cluster.Taint{{Key: "ours", Effect: "NoSchedule"}})
	setLabels(o, map[string]string{"ours": "3"})
	setTaints(o, nil)
	if l := o.GetLabels(); l["theirs"] != "x" || l["ours"] != "3" || len(l) != 2 {
		t.Errorf("%v", l)
	}
	if taints := listAt(o.Object, "spec", "taints"); len(taints) != 1 || textAt(taints[0], "key") != "theirs" {
		t.Errorf("%v", taints)
	}
}

// A container has to run an image of the definition, by its own name.
func TestViolations(t *testing.T) {
	t.Parallel()
	index, platform, other := digest.FromString("index"), digest.FromString("platform"), digest.FromString("other")
	allowed := map[string][]digest.Digest{
		"docker.io/library/web:1": {index, platform}, "registry.k8s.io/pause:3.10": {other},
		"quay.io/team/app:2@" + other.String(): {other},
	}
	for _, one := range []struct{ image, id, want string }{
		{"web:1", "docker.io/library/web@" + index.String(), ""},
		{"docker.io/web:1", "docker.io/library/web@" + platform.String(), ""},
		{"web@" + index.String(), "docker.io/library/web@" + platform.String(), ""},
		{"quay.io/team/app:2", "quay.io/team/app@" + other.String(), ""},
		{"web:1", "", ""},
		{"web:1", "docker.io/library/web@" + other.String(), "it runs "},
		{"web:1", other.String() + "0", "has this digest"},
		{"web:2", "docker.io/library/web@" + index.String(), "of this name"},
		{"web", "docker.io/library/web@" + index.String(), "of this name"},
		{"web@" + other.String(), "docker.io/library/web@" + other.String(), "of this name"},
		{"site.local/web:1", "", "of this name"},
	} {
		got := unlike(one.image, one.id, allowed)
		if (got == "") != (one.want == "") || !strings.Contains(got, one.want) {
			t.Errorf("%s as %s: %q, want %q", one.image, one.id, got, one.want)
		}
	}
	p := read(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\nspec: {initContainers: [{name: i, image: bad:1}], containers: [{name: c, image: 'web:1'}], ephemeralContainers: [{name: e, image: bad:2}]}\nstatus: {containerStatuses: [{name: c, imageID: 'web@"+other.String()+"'}]}\n")
	var names []string
	for _, v := range violations(p, allowed) {
		names = append(names, v.Container)
	}
	if strings.Join(names, " ") != "i c e" {
		t.Errorf("%v, want the containers of all three sorts", names)
	}
}

// An object is a layer's when it says so, was applied from here, and is the one that was
// noted.
func TestForeign(t *testing.T) {
	t.Parallel()
	c := &Client{opts: Options{Owner: "landfall"}}
	const ours, theirs = "managedFields: [{manager: landfall, operation: Apply}]", "managedFields: [{manager: landfall, operation: Update}, {manager: kubectl, operation: Apply}]"
	for _, one := range []struct{ meta, uid, want string }{
		{"uid: u, labels: {landfall.dev/layer: shop}, " + ours, "u", ""},
		{"uid: u, labels: {landfall.dev/layer: shop}, " + ours, "", ""}, // it was not noted which one was made
		{"uid: v, labels: {landfall.dev/layer: shop}, " + ours, "u", "made it again"},
		{"uid: u, labels: {landfall.dev/layer: other}, " + ours, "u", "belongs to layer other"},
		{"uid: u, " + ours, "u", "does not say"},
		{"uid: u, labels: {landfall.dev/layer: shop}, " + theirs, "u", "not applied from here"},
	} {
		o := read(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, "+one.meta+"}\n")
		if got := c.foreign(o, "shop", types.UID(one.uid)); (got == "") != (one.want == "") || !strings.Contains(got, one.want) {
			t.Errorf("%s: %q, want %q", one.meta, got, one.want)
		}
	}
}

// The texts of a Secret become data, so that one that is not wanted any more goes.
func TestSecretTexts(t *testing.T) {
	t.Parallel()
	s, err := (&Client{}).read(layerOf("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: MQ==, b: MQ==}\nstringData: {b: two}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if data := textsAt(s.objects[0].Object, "data"); s.objects[0].Object["stringData"] != nil || data["a"] != "MQ==" || data["b"] != "dHdv" {
		t.Errorf("%v", s.objects[0].Object)
	}
}

// A hook is the same one when it is made of the same content for the same event.
func TestMark(t *testing.T) {
	t.Parallel()
	sum := func(content, event string) string {
		o := read(t, content)
		if err := mark(o, event); err != nil {
			t.Fatal(err)
		}
		if err := mark(o, event); err != nil { // it may be made at more than one event
			t.Fatal(err)
		}
		return o.GetAnnotations()[noteContent]
	}
	const content = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n"
	first, again := sum(content, "pre-install"), sum(content, "pre-install")
	if first != again || first == sum(content, "post-install") || first == sum(content+"spec: {}\n", "pre-install") {
		t.Error("hooks are not told apart, or always are")
	}
}
