package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
)

// What is noted at nodes.
const (
	noteCordoned = "landfall.dev/cordoned-by" // who made it take no more pods
	noteLabels   = "landfall.dev/labels"      // names of labels that were set here
	noteTaints   = "landfall.dev/taints"      // keys and effects of taints that were set here
)

// Node is a node of the cluster.
type Node struct {
	Name         string `json:"name"`
	Ready        bool   `json:"ready"`
	Reason       string `json:"reason,omitempty"` // why it is not
	Version      string `json:"version"`          // of the kubelet, without v
	Cordoned     bool   `json:"cordoned"`         // takes no more pods
	CordonedBy   string `json:"cordonedBy,omitempty"`
	ControlPlane bool   `json:"controlPlane"`
}

func nodeOf(o *unstructured.Unstructured) Node {
	n := Node{Name: o.GetName(), Version: strings.TrimPrefix(textAt(o.Object, "status", "nodeInfo", "kubeletVersion"), "v"),
		Cordoned: truthAt(o.Object, "spec", "unschedulable")}
	if n.Cordoned {
		n.CordonedBy = cordonedBy(o)
	}
	_, n.ControlPlane = o.GetLabels()["node-role.kubernetes.io/control-plane"]
	status, why := condition(o.Object, "Ready")
	if n.Ready = status == "True"; !n.Ready {
		n.Reason = why
	}
	return n
}

// Nodes are all nodes, by name.
func (c *Client) Nodes(ctx context.Context) (list []Node, err error) {
	err = c.retried(ctx, "nodes", func(ctx context.Context) error {
		list = list[:0]
		return each(ctx, c.objects.Resource(nodeResource), metav1.ListOptions{}, func(o *unstructured.Unstructured) error {
			list = append(list, nodeOf(o))
			return nil
		})
	})
	slices.SortFunc(list, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func (c *Client) node(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	return c.objects.Resource(nodeResource).Get(ctx, name, metav1.GetOptions{})
}

// AwaitNode waits until a node is ready, with a version of its kubelet when one is named.
// With fresh its kubelet has to be heard of after the wait began: a node is said to be
// ready for most of a minute after its kubelet has ended.
func (c *Client) AwaitNode(ctx context.Context, name, version string, fresh bool, progress func(string)) error {
	before := ""
	return c.until(ctx, "node "+name, func(ctx context.Context) (string, error) {
		o, err := c.node(ctx, name)
		if apierrors.IsNotFound(err) {
			return "it has not registered itself", nil
		}
		if err != nil {
			return "", err
		}
		heard := ""
		if fresh {
			if heard, err = c.heard(ctx, o); err != nil {
				return "", err
			}
			if before == "" {
				before = heard
			}
		}
		n, missing := nodeOf(o), ""
		switch {
		case !n.Ready:
			missing = "it is not ready: " + n.Reason
		case version != "" && n.Version != version:
			missing = fmt.Sprintf("its kubelet is %s still, %s is wanted", n.Version, version)
		case fresh && heard == before:
			missing = "its kubelet was begun again, and has not been heard of since: 'journalctl -u kubelet' on the host tells why"
		}
		if missing != "" && progress != nil {
			progress("node " + name + ": " + missing)
		}
		return missing, nil
	})
}

// heard is when a node's kubelet was heard of last, as it says: it renews a lease every
// ten seconds and when it begins, and tells how the node is. Empty: never.
// https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats
func (c *Client) heard(ctx context.Context, node *unstructured.Unstructured) (string, error) {
	lease, err := c.objects.Resource(leaseResource).Namespace("kube-node-lease").Get(ctx, node.GetName(), metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return "", err
	}
	said := ""
	if lease != nil {
		said = textAt(lease.Object, "spec", "renewTime")
	}
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, one := range conditions {
		if condition, ok := one.(map[string]any); ok {
			said += " " + textAt(condition, "lastHeartbeatTime")
		}
	}
	return said, nil
}

// LabelNode gives a node labels and taints, and takes away those that it had from here
// before. Those of others stay.
func (c *Client) LabelNode(ctx context.Context, name string, labels map[string]string, taints []cluster.Taint) error {
	return c.until(ctx, "node "+name, func(ctx context.Context) (string, error) {
		o, err := c.node(ctx, name)
		if apierrors.IsNotFound(err) {
			return "it has not registered itself", nil
		}
		if err != nil {
			return "", err
		}
		setLabels(o, labels)
		setTaints(o, taints)
		_, err = c.objects.Resource(nodeResource).Update(ctx, o, metav1.UpdateOptions{FieldManager: c.opts.Owner})
		return "", err // a conflict passes
	})
}

func setLabels(o *unstructured.Unstructured, labels map[string]string) {
	notes, now := o.GetAnnotations(), o.GetLabels()
	if notes == nil {
		notes = map[string]string{}
	}
	if now == nil {
		now = map[string]string{}
	}
	for _, old := range strings.Fields(notes[noteLabels]) {
		delete(now, old)
	}
	maps.Copy(now, labels)
	notes[noteLabels] = strings.Join(slices.Sorted(maps.Keys(labels)), " ")
	o.SetLabels(now)
	o.SetAnnotations(notes)
}

func setTaints(o *unstructured.Unstructured, taints []cluster.Taint) {
	notes := o.GetAnnotations()
	ours := strings.Fields(notes[noteTaints])
	var list []any
	var names []string
	for _, t := range taints {
		names = append(names, t.Key+":"+t.Effect)
		taint := fields{"key": t.Key, "effect": t.Effect}
		if t.Value != "" {
			taint["value"] = t.Value
		}
		list = append(list, taint)
	}
	for _, t := range listAt(o.Object, "spec", "taints") {
		if name := textAt(t, "key") + ":" + textAt(t, "effect"); !slices.Contains(ours, name) && !slices.Contains(names, name) {
			list = append(list, t)
		}
	}
	notes[noteTaints] = strings.Join(names, " ")
	o.SetAnnotations(notes)
	_ = unstructured.SetNestedSlice(o.Object, list, "spec", "taints") // it is made of maps and texts
}

// changeNode changes a node, unless somebody else changes it meanwhile: then it is looked at
// again. No patch is none that is needed.
func (c *Client) changeNode(ctx context.Context, name string, patch func(o *unstructured.Unstructured, n Node) fields) error {
	return c.retried(ctx, "node "+name, func(ctx context.Context) error {
		o, err := c.node(ctx, name)
		if err != nil {
			return err
		}
		change := patch(o, nodeOf(o))
		if change == nil {
			return nil
		}
		if err := unstructured.SetNestedField(change, o.GetResourceVersion(), "metadata", "resourceVersion"); err != nil {
			return err
		}
		content, err := json.Marshal(change)
		if err != nil {
			return err
		}
		_, err = c.objects.Resource(nodeResource).Patch(ctx, name, types.MergePatchType, content, metav1.PatchOptions{FieldManager: c.opts.Owner})
		return err
	})
}

// cordon keeps new pods away from a node, and notes that it was done here, unless it was
// done before by somebody else, which stays theirs.
func (c *Client) cordon(ctx context.Context, name string) error {
	return c.changeNode(ctx, name, func(_ *unstructured.Unstructured, n Node) fields {
		if n.Cordoned {
			return nil
		}
		return fields{"metadata": fields{"annotations": fields{noteCordoned: c.opts.Owner}}, "spec": fields{"unschedulable": true}}
	})
}

// Uncordon lets pods back to a node that Drain kept them from. One that somebody else
// cordoned stays so, also when it was let back and cordoned again meanwhile.
func (c *Client) Uncordon(ctx context.Context, name string) error {
	return c.changeNode(ctx, name, func(o *unstructured.Unstructured, n Node) fields {
		if o.GetAnnotations()[noteCordoned] != c.opts.Owner {
			return nil
		}
		change := fields{"metadata": fields{"annotations": fields{noteCordoned: nil}}}
		if n.CordonedBy == c.opts.Owner {
			change["spec"] = fields{"unschedulable": nil}
		}
		return change
	})
}

// cordonedBy is who keeps pods away from a node: who has set the field, as the server
// knows, else who has noted it.
func cordonedBy(o *unstructured.Unstructured) string {
	for _, m := range o.GetManagedFields() {
		var owned fields
		if m.FieldsV1 != nil && json.Unmarshal(m.FieldsV1.GetRawBytes(), &owned) == nil && at(owned, "f:spec", "f:unschedulable") != nil {
			return m.Manager
		}
	}
	return o.GetAnnotations()[noteCordoned]
}

// RenewPods deletes the pods of a node that something makes anew. Static pods stay, and
// those that nobody would make again.
func (c *Client) RenewPods(ctx context.Context, name string) error {
	return c.until(ctx, "pods of node "+name, func(ctx context.Context) (string, error) {
		options := metav1.ListOptions{FieldSelector: "spec.nodeName=" + name}
		return "", each(ctx, c.objects.Resource(podResource), options, func(p *unstructured.Unstructured) error {
			owner := metav1.GetControllerOf(p)
			if owner == nil || owner.Kind == "Node" || p.GetDeletionTimestamp() != nil {
				return nil
			}
			uid := p.GetUID()
			err := c.objects.Resource(podResource).Namespace(p.GetNamespace()).Delete(ctx, p.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
			if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
				return nil // it has gone already
			}
			return err
		})
	})
}

// RemoveNode takes a node out of the cluster's list; one that is not there is done.
func (c *Client) RemoveNode(ctx context.Context, name string) error {
	return c.retried(ctx, "node "+name, func(ctx context.Context) error {
		err := c.objects.Resource(nodeResource).Delete(ctx, name, metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}
