package plane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// What a pod's annotations ask the player for.
const (
	// NoteExit has the pod's containers end with that exit code; without it they run on.
	NoteExit = "plane/exit"
	// NoteSays is the message with which they end.
	NoteSays = "plane/says"
	// NoteLogs is what is in their log.
	NoteLogs = "plane/logs"
	// NoteHold keeps them from beginning, or with "end" from ending when they should.
	NoteHold = "plane/hold"
	// NoteStays has them come to nodes that are cordoned, too.
	NoteStays = "plane/stays"
	// NoteImageID is what the runtime tells of their images.
	NoteImageID = "plane/image-id"
)

// Player is the scheduler and the kubelets of a plane.
type Player struct {
	api    dynamic.Interface
	server *httptest.Server // answers as kubelets do
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

var (
	pods  = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodes = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

// Play begins to play.
func Play(api dynamic.Interface) *Player {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Player{api: api, stop: cancel}
	p.server = httptest.NewTLSServer(http.HandlerFunc(p.logs))
	p.ended.Go(func() {
		for ctx.Err() == nil {
			p.round(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(look):
			}
		}
	})
	return p
}

// Stop ends it.
func (p *Player) Stop() {
	p.stop()
	p.ended.Wait()
	p.server.Close()
}

// NewNode makes a node that is ready, of a version of the kubelet. Pods come to it that
// have a nodeSelector with "on" and that value, or none when it is empty.
func (p *Player) NewNode(ctx context.Context, name, version, on string) error {
	o := object("v1", "Node", "", name)
	o.SetLabels(map[string]string{"on": on})
	if _, err := p.api.Resource(nodes).Create(ctx, o, metav1.CreateOptions{}); err != nil {
		return err
	}
	// It was tainted as one that is not ready, which a controller would take back.
	if _, err := p.api.Resource(nodes).Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"taints":null}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	_, port, _ := strings.Cut(p.server.Listener.Addr().String(), ":")
	number, err := strconv.ParseInt(port, 10, 64)
	if err != nil {
		return err
	}
	return p.status(ctx, nodes, o, map[string]any{
		"nodeInfo":        map[string]any{"kubeletVersion": "v" + version, "architecture": "amd64", "operatingSystem": "linux"},
		"conditions":      []any{map[string]any{"type": "Ready", "status": "True", "reason": "KubeletReady"}},
		"addresses":       []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": number}},
	})
}

func object(version, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(version)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func (p *Player) status(ctx context.Context, kind schema.GroupVersionResource, o *unstructured.Unstructured, status map[string]any) error {
	content, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = p.api.Resource(kind).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.MergePatchType, content, metav1.PatchOptions{FieldManager: "kubelet"}, "status")
	return err
}

// round does what is to be done now. What fails is tried again in the next one.
func (p *Player) round(ctx context.Context) {
	list, err := p.api.Resource(pods).List(ctx, metav1.ListOptions{})
	if err != nil {
		return
	}
	for i := range list.Items {
		if err := p.play(ctx, &list.Items[i]); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			fmt.Println("player:", list.Items[i].GetName(), err)
		}
	}
}

func (p *Player) play(ctx context.Context, o *unstructured.Unstructured) error {
	node, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName")
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	hold := o.GetAnnotations()[NoteHold]
	switch {
	case node == "":
		return p.schedule(ctx, o)
	case o.GetDeletionTimestamp() != nil && hold != "end":
		now, uid := int64(0), o.GetUID()
		return p.api.Resource(pods).Namespace(o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid}})
	case phase == "Pending" && hold != "begin":
		return p.status(ctx, pods, o, statusOf(o))
	}
	return nil
}

// schedule binds a pod to the first node that takes it.
func (p *Player) schedule(ctx context.Context, o *unstructured.Unstructured) error {
	list, err := p.api.Resource(nodes).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if n := &list.Items[i]; takes(n, o) {
			binding := object("v1", "Binding", o.GetNamespace(), o.GetName())
			binding.Object["target"] = map[string]any{"apiVersion": "v1", "kind": "Node", "name": n.GetName()}
			_, err := p.api.Resource(pods).Namespace(o.GetNamespace()).Create(ctx, binding, metav1.CreateOptions{}, "binding")
			return err
		}
	}
	return nil
}

// takes reports whether a pod may be on a node. Those of DaemonSets name theirs.
func takes(n, o *unstructured.Unstructured) bool {
	if owner := metav1.GetControllerOf(o); owner != nil && owner.Kind == "DaemonSet" {
		affinity, _ := json.Marshal(o.Object["spec"].(map[string]any)["affinity"])
		return strings.Contains(string(affinity), strconv.Quote(n.GetName()))
	}
	selector, _, _ := unstructured.NestedStringMap(o.Object, "spec", "nodeSelector")
	cordoned, _, _ := unstructured.NestedBool(n.Object, "spec", "unschedulable")
	return selector["on"] == n.GetLabels()["on"] && (!cordoned || o.GetAnnotations()[NoteStays] != "")
}

// statusOf is what a kubelet would tell of a pod.
func statusOf(o *unstructured.Unstructured) map[string]any {
	notes := o.GetAnnotations()
	state, phase, ready := map[string]any{"running": map[string]any{"startedAt": time.Now().UTC().Format(time.RFC3339)}}, "Running", "True"
	if code, err := strconv.ParseInt(notes[NoteExit], 10, 64); err == nil {
		state, ready = map[string]any{"terminated": map[string]any{"exitCode": code, "message": notes[NoteSays], "reason": "Completed"}}, "False"
		if phase = "Succeeded"; code != 0 {
			phase = "Failed"
		}
	}
	status := map[string]any{"phase": phase, "conditions": []any{map[string]any{"type": "Ready", "status": ready}, map[string]any{"type": "PodScheduled", "status": "True"}}}
	for from, to := range map[string]string{"initContainers": "initContainerStatuses", "containers": "containerStatuses"} {
		list, _, _ := unstructured.NestedSlice(o.Object, "spec", from)
		var states []any
		for _, e := range list {
			c, _ := e.(map[string]any)
			states = append(states, map[string]any{"name": c["name"], "image": c["image"], "imageID": notes[NoteImageID], "ready": ready == "True", "restartCount": int64(0), "state": state})
		}
		if states != nil {
			status[to] = states
		}
	}
	return status
}

// logs answers for a container's log: /containerLogs/NAMESPACE/POD/CONTAINER.
func (p *Player) logs(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) != 5 || parts[1] != "containerLogs" {
		http.NotFound(w, r)
		return
	}
	o, err := p.api.Resource(pods).Namespace(parts[2]).Get(r.Context(), parts[3], metav1.GetOptions{})
	if err == nil && o.GetAnnotations()[NoteLogs] == "" {
		err = errors.New("it has no log")
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	fmt.Fprint(w, o.GetAnnotations()[NoteLogs])
}
