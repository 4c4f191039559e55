package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/test/k8s/plane"
)

// objects is a control plane without hosts, and what tests look at it with.
type objects struct {
	client     *kube.Client
	api        dynamic.Interface
	player     *plane.Player
	kubeconfig []byte
}

// How Landfall's client is set in these tests.
var quick = kube.Options{Every: 50 * time.Millisecond, Kinds: 3 * time.Second}

const limit = time.Minute // for what is done at once here

// What Landfall does to the objects of a cluster is what is wanted, as a real API server
// and real controllers take it.
func TestObjects(t *testing.T) {
	p := built(t)
	running, err := plane.Start(t.Context(), plane.Options{Etcd: p.Etcd, Kubernetes: p.Kubernetes[second], Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	o := &objects{kubeconfig: running.Kubeconfig}
	config := must(clientcmd.RESTConfigFromKubeConfig(running.Kubeconfig))(t)
	config.QPS = -1
	o.api = must(dynamic.NewForConfig(config))(t)
	o.client = must(kube.New(running.Kubeconfig, quick))(t)
	o.player = plane.Play(o.api)
	t.Cleanup(func() {
		o.client.Close()
		o.player.Stop()
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := o.player.NewNode(t.Context(), "plane-1", second, ""); err != nil {
		t.Fatal(err)
	}
	t.Run("Health", func(t *testing.T) { testHealth(t, o) }) // first: it is about all of the cluster
	t.Run("group", func(t *testing.T) {                      // the plane stops when all of these have ended
		for name, test := range map[string]func(*testing.T, *objects){
			"Hooks": testHooks, "HookFails": testHookFails, "HookResumes": testHookResumes, "HookPod": testHookPod,
			"Prune": testPrune, "PruneWaits": testPruneWaits, "Interrupted": testInterrupted, "NamespaceEnds": testNamespaceEnds, "Jobs": testJobs, "Fixed": testFixed, "Kinds": testKinds, "Conflicts": testConflicts,
			"Drain": testDrain, "DrainBudget": testDrainBudget, "DrainRefuses": testDrainRefuses, "Cordon": testCordon, "Verify": testVerify, "Drift": testDrift,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				own := *o // a client has so many requests per second
				own.client = must(kube.New(o.kubeconfig, quick))(t)
				t.Cleanup(own.client.Close)
				test(t, &own)
			})
		}
	})
}

// Resources that tests look at.
var (
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	accounts   = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	podKind    = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodeKind   = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	claimKind  = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	spaceKind  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	jobKind    = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	webKind    = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	typeKind   = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
)

// layerOf is a layer in a namespace that is called like it. Documents with the annotation
// of Helm's hooks are those.
func layerOf(name, version string, documents ...string) kube.Layer {
	u := kube.Unit{Release: name, Namespace: name, Hooks: map[string][]string{}}
	for i, d := range documents {
		path := strconv.Itoa(i) + ".yaml"
		u.Files = append(u.Files, object.File{Path: path, Content: d})
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(d), &o.Object); err != nil {
			panic(err)
		}
		if events := o.GetAnnotations()["helm.sh/hook"]; events != "" {
			u.Hooks[path+"#0"] = strings.Split(events, ",")
		}
	}
	return kube.Layer{Name: name, Definition: "edge:" + version, Units: []kube.Unit{u}}
}

// doc is a document: its kind, "NAMESPACE/NAME" or "NAME", further metadata, and the rest.
func doc(version, kind, name, meta, rest string) string {
	if namespace, own, ok := strings.Cut(name, "/"); ok {
		name, meta = own, "namespace: "+namespace+", "+meta
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s, %s}\n%s\n", version, kind, name, meta, rest)
}

func configMap(name, value string) string {
	return doc("v1", "ConfigMap", name, "", "data: {a: '"+value+"'}")
}

// job is a Job whose pods end as the player is told by annotations, "a: b, c: d".
func job(name, annotations, pods string) string {
	return doc("batch/v1", "Job", name, "annotations: {"+annotations+"}",
		"spec: {backoffLimit: 0, template: {metadata: {annotations: {"+pods+"}}, spec: {restartPolicy: Never, containers: [{name: main, image: 'work:1'}]}}}")
}

const (
	ends  = "plane/exit: '0'"
	fails = "plane/exit: '3'"
)

// workload is a Deployment, DaemonSet or StatefulSet with one container.
func workload(kind, name, more, meta, pod string) string {
	app := name[strings.LastIndex(name, "/")+1:]
	return doc("apps/v1", kind, name, "", fmt.Sprintf("spec: {%s selector: {matchLabels: {app: %s}}, template: {metadata: {labels: {app: %s}, %s}, spec: {%s containers: [{name: main, image: 'web:1'}]}}}", more, app, app, meta, pod))
}

func hookNotes(events, weight, policy string) string {
	text := "helm.sh/hook: '" + events + "', helm.sh/hook-weight: '" + weight + "'"
	if policy != "" {
		text += ", helm.sh/hook-delete-policy: '" + policy + "'"
	}
	return text
}

// apply applies a layer; the test ends when that fails.
func (o *objects) apply(t *testing.T, l kube.Layer) *kube.Applied {
	t.Helper()
	applied, err := o.client.Apply(t.Context(), l, kube.ApplyOptions{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

// get is an object, nil when it is not there.
func (o *objects) get(t *testing.T, kind schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := o.api.Resource(kind).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// create makes an object as somebody else would.
func (o *objects) create(t *testing.T, kind schema.GroupVersionResource, document string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
		t.Fatal(err)
	}
	made, err := o.api.Resource(kind).Namespace(u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// patch changes an object as somebody else would.
func (o *objects) patch(t *testing.T, kind schema.GroupVersionResource, namespace, name, manager string, change map[string]any, below ...string) {
	t.Helper()
	content := must(json.Marshal(change))(t)
	if _, err := o.api.Resource(kind).Namespace(namespace).Patch(t.Context(), name, types.MergePatchType, content, metav1.PatchOptions{FieldManager: manager}, below...); err != nil {
		t.Fatal(err)
	}
}

func (o *objects) delete(t *testing.T, kind schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	if err := o.api.Resource(kind).Namespace(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// release lets pods begin or end that were held.
func (o *objects) release(t *testing.T, namespace string) {
	t.Helper()
	list := must(o.api.Resource(podKind).Namespace(namespace).List(t.Context(), metav1.ListOptions{}))(t)
	for _, p := range list.Items {
		if p.GetAnnotations()[plane.NoteHold] != "" {
			o.patch(t, podKind, namespace, p.GetName(), "test", map[string]any{"metadata": map[string]any{"annotations": map[string]any{plane.NoteHold: nil}}})
		}
	}
}

// record is what was made and deleted in a namespace, in order: "+Job/first -Job/first".
type record struct {
	mu   sync.Mutex // protects list
	list []event
}

type event struct {
	version int
	text    string
}

// record watches resources of a namespace, or those without any, until the test ends.
func (o *objects) record(t *testing.T, namespace string, kinds ...schema.GroupVersionResource) *record {
	t.Helper()
	r := &record{}
	for _, kind := range kinds {
		now := must(o.api.Resource(kind).Namespace(namespace).List(t.Context(), metav1.ListOptions{}))(t)
		w := must(o.api.Resource(kind).Namespace(namespace).Watch(t.Context(), metav1.ListOptions{ResourceVersion: now.GetResourceVersion()}))(t)
		var done sync.WaitGroup
		done.Go(func() {
			for e := range w.ResultChan() {
				u, ok := e.Object.(*unstructured.Unstructured)
				sign := map[string]string{"ADDED": "+", "DELETED": "-"}[string(e.Type)]
				if !ok || sign == "" || u.GetName() == "default" || u.GetName() == "kube-root-ca.crt" {
					continue
				}
				version, _ := strconv.Atoi(u.GetResourceVersion())
				r.mu.Lock()
				r.list = append(r.list, event{version, sign + u.GetKind() + "/" + u.GetName()})
				r.mu.Unlock()
			}
		})
		t.Cleanup(func() { w.Stop(); done.Wait() })
	}
	return r
}

// take is what was recorded until now, and forgets it.
func (r *record) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.list, func(a, b event) int { return a.version - b.version })
	var texts []string
	for _, e := range r.list {
		texts = append(texts, e.text)
	}
	return strings.Join(texts, " ")
}

// want waits until that, and nothing else, was recorded.
func (r *record) want(t *testing.T, want string) {
	t.Helper()
	eventually(t, 10*time.Second, "what is done to objects", func() (bool, string) {
		got := r.take()
		return got == want, "got  " + got + "\nwant " + want
	})
	r.mu.Lock()
	r.list = nil
	r.mu.Unlock()
}

// refused checks an error's kind and what it says.
func refused(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// within is a context for what is not to come to an end.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
