package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/landfall-dev/landfall/registry"
)

// DrainOptions say how a node is emptied.
type DrainOptions struct {
	Limit    time.Duration // for which it may take; 0: until the context ends
	Force    bool          // also pods that nobody will make again
	Progress func(string)  // nil: nobody is told
}

// Drain keeps new pods away from a node, and has its pods evicted, as "kubectl drain
// --ignore-daemonsets --delete-emptydir-data" does: budgets of disruption are kept, and
// waited for. Pods of DaemonSets and static pods stay. When the limit is reached the
// error names the pods that are left, and the budgets that hold them.
func (c *Client) Drain(ctx context.Context, name string, opts DrainOptions) error {
	if opts.Limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, opts.Limit, fmt.Errorf("%w: it did not get empty within %s", registry.ErrConflict, opts.Limit))
		defer cancel()
		ctx = limited
	}
	if err := c.cordon(ctx, name); err != nil {
		return err
	}
	return c.until(ctx, "node "+name, func(ctx context.Context) (string, error) {
		pods, err := c.podsOn(ctx, name)
		if err != nil {
			return "", err
		}
		var left []string
		for i := range pods {
			p := &pods[i]
			if stays(p) {
				continue
			}
			if unmanaged(p) && !opts.Force {
				return "", fmt.Errorf("%w: pod %s/%s has nobody who would make it again elsewhere: delete it, or let a Deployment have it", registry.ErrConflict, p.GetNamespace(), p.GetName())
			}
			left = append(left, c.evict(ctx, p))
		}
		missing := strings.Join(left, "; ")
		if missing != "" && opts.Progress != nil {
			opts.Progress(fmt.Sprintf("node %s: %d pods are leaving: %s", name, len(left), missing))
		}
		return missing, nil
	})
}

func (c *Client) podsOn(ctx context.Context, node string) ([]unstructured.Unstructured, error) {
	list, err := c.objects.Resource(podResource).List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// stays reports whether a pod is left where it is: it is done, belongs to the node, or
// would come back at once.
func stays(p *unstructured.Unstructured) bool {
	phase := textAt(p.Object, "status", "phase")
	if phase == "Succeeded" || phase == "Failed" {
		return true
	}
	if _, static := p.GetAnnotations()["kubernetes.io/config.mirror"]; static {
		return true
	}
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "DaemonSet"
}

func unmanaged(p *unstructured.Unstructured) bool {
	return metav1.GetControllerOf(p) == nil && p.GetDeletionTimestamp() == nil
}

// evict asks for a pod to leave, and says why it is there still.
// https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
func (c *Client) evict(ctx context.Context, p *unstructured.Unstructured) string {
	name := p.GetNamespace() + "/" + p.GetName()
	if p.GetDeletionTimestamp() != nil {
		return name + " ends"
	}
	eviction := &unstructured.Unstructured{Object: fields{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": fields{"name": p.GetName(), "namespace": p.GetNamespace()}}}
	_, err := c.objects.Resource(podResource).Namespace(p.GetNamespace()).Create(ctx, eviction, metav1.CreateOptions{}, "eviction")
	switch {
	case err == nil || apierrors.IsNotFound(err):
		return name + " ends"
	case apierrors.IsTooManyRequests(err):
		return name + " waits: " + err.Error()
	}
	return name + ": " + err.Error()
}

// Blocker is something that keeps a node from being emptied now.
type Blocker struct {
	Node   string `json:"node"`
	Pod    string `json:"pod"`
	Budget string `json:"budget,omitempty"` // PodDisruptionBudget that allows no eviction
	Why    string `json:"why"`
}

// String is one line for people.
func (b Blocker) String() string { return fmt.Sprintf("%s: pod %s: %s", b.Node, b.Pod, b.Why) }

// Blockers are what would keep these nodes from being emptied as things are now.
func (c *Client) Blockers(ctx context.Context, nodes []string) (list []Blocker, err error) {
	budgets, err := c.objects.Resource(budgetResource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, node := range nodes {
		pods, err := c.podsOn(ctx, node)
		if err != nil {
			return nil, err
		}
		for i := range pods {
			p := &pods[i]
			if stays(p) {
				continue
			}
			b := Blocker{Node: node, Pod: p.GetNamespace() + "/" + p.GetName()}
			if unmanaged(p) {
				b.Why = "nobody would make it again elsewhere"
				list = append(list, b)
			}
			for j := range budgets.Items {
				if budget := &budgets.Items[j]; holds(budget, p) {
					b.Budget = budget.GetNamespace() + "/" + budget.GetName()
					b.Why = "PodDisruptionBudget " + b.Budget + " allows none of its pods to leave now"
					list = append(list, b)
				}
			}
		}
	}
	return list, nil
}

// holds reports whether a budget covers a pod and allows no disruption.
func holds(budget, p *unstructured.Unstructured) bool {
	if budget.GetNamespace() != p.GetNamespace() || numberAt(budget.Object, "status", "disruptionsAllowed") > 0 {
		return false
	}
	selector := &metav1.LabelSelector{MatchLabels: textsAt(budget.Object, "spec", "selector", "matchLabels")}
	for _, e := range listAt(budget.Object, "spec", "selector", "matchExpressions") {
		r := metav1.LabelSelectorRequirement{Key: textAt(e, "key"), Operator: metav1.LabelSelectorOperator(textAt(e, "operator"))}
		values, _ := at(e, "values").([]any)
		for _, v := range values {
			r.Values = append(r.Values, fmt.Sprint(v))
		}
		selector.MatchExpressions = append(selector.MatchExpressions, r)
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(labels.Set(p.GetLabels()))
}
