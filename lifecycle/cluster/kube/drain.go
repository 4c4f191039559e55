package kube

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/registry"
)

// DrainOptions say how a node is emptied.
type DrainOptions struct {
	Limit    time.Duration // for which it may take; 0: until the context ends
	Grace    time.Duration // after which budgets that let no pod go are told; 30 s when 0
	Force    bool          // also pods that nobody will make again
	Progress func(string)  // nil: nobody is told
}

// budgetGrace is for how long it is nothing special that a budget lets no pod go: others
// get ready elsewhere.
const budgetGrace = 30 * time.Second

// Drain keeps new pods away from a node, and has its pods evicted, as "kubectl drain
// --ignore-daemonsets --delete-emptydir-data" does: budgets of disruption are kept, and
// waited for. Pods of DaemonSets and static pods stay; which pods lose data of local
// volumes is told. When the limit is reached the error names the pods that are left, and
// the budgets that hold them. It goes on where it was interrupted.
func (c *Client) Drain(ctx context.Context, name string, opts DrainOptions) error {
	ctx, cancel := ApplyOptions{Limit: opts.Limit}.limited(ctx, "it did not get empty")
	defer cancel()
	d := &draining{Client: c, node: name, opts: opts, since: time.Now(), seen: map[string]bool{}}
	if _, err := d.leaving(ctx); err != nil {
		return err // before anything is changed
	}
	if err := c.cordon(ctx, name); err != nil {
		return err
	}
	const rounds = 2 // pods may have been on their way here when the node was cordoned
	for range rounds {
		pods, err := d.leaving(ctx)
		if err != nil {
			return err
		}
		d.warn(pods)
		if err := d.empty(ctx, pods); err != nil {
			return err
		}
	}
	return nil
}

// draining is a node that is being emptied.
type draining struct {
	*Client
	node  string
	opts  DrainOptions
	since time.Time
	seen  map[string]bool // names of pods that have left or are about to
}

func (d *draining) tell(format string, args ...any) {
	if d.opts.Progress != nil {
		d.opts.Progress("node " + d.node + ": " + fmt.Sprintf(format, args...))
	}
}

// leaving are the pods that have to leave. One that has come in the place of one that
// left, under its name, would not go for good either, and is left.
func (d *draining) leaving(ctx context.Context) (pods []unstructured.Unstructured, err error) {
	err = d.retried(ctx, "node "+d.node, func(ctx context.Context) error {
		pods = nil
		return d.podsOn(ctx, d.node, func(p *unstructured.Unstructured) error {
			if stays(p) || d.seen[nameOf(p)] {
				return nil
			}
			if unmanaged(p) && !d.opts.Force {
				return fmt.Errorf("%w: pod %s/%s has nobody who would make it again elsewhere: delete it, or let a Deployment have it", registry.ErrConflict, p.GetNamespace(), p.GetName())
			}
			pods = append(pods, *p)
			return nil
		})
	})
	return pods, err
}

// warn tells which pods have data that ends with them.
func (d *draining) warn(pods []unstructured.Unstructured) {
	var names []string
	for i := range pods {
		if local(&pods[i]) {
			names = append(names, pods[i].GetNamespace()+"/"+pods[i].GetName())
		}
	}
	if len(names) > 0 {
		d.tell("what these pods have in local volumes (emptyDir) ends with them: %s", strings.Join(names, ", "))
	}
}

// local reports whether a pod has a volume that ends with it.
func local(p *unstructured.Unstructured) bool {
	return slices.ContainsFunc(listAt(p.Object, "spec", "volumes"), func(v fields) bool { return v["emptyDir"] != nil })
}

// empty evicts pods until none of these is there; others of their names are not theirs.
func (d *draining) empty(ctx context.Context, pods []unstructured.Unstructured) error {
	for i := range pods {
		d.seen[nameOf(&pods[i])] = true
	}
	return d.until(ctx, "node "+d.node, func(ctx context.Context) (string, error) {
		there := map[types.UID]*unstructured.Unstructured{}
		err := d.podsOn(ctx, d.node, func(p *unstructured.Unstructured) error {
			there[p.GetUID()] = p
			return nil
		})
		if err != nil {
			return "", err
		}
		left := &leftovers{held: map[string][]string{}}
		for i := range pods {
			if p := there[pods[i].GetUID()]; p != nil && !stays(p) {
				if err := d.evict(ctx, p, left); err != nil {
					return "", err
				}
			}
		}
		if left.pods > 0 {
			d.report(left)
		}
		return left.String(), nil
	})
}

func (d *draining) report(left *leftovers) {
	if len(left.held) > 0 && time.Since(d.since) >= cmp.Or(d.opts.Grace, budgetGrace) {
		d.tell("%d pods are leaving: %s", left.pods, left)
		return
	}
	d.tell("%d pods are leaving", left.pods)
}

// leftovers are pods that are on a node still.
type leftovers struct {
	pods int
	held map[string][]string // by the budget that lets none go
	rest []string            // with the reason
}

// String names budgets, with what they hold, and pods.
func (l *leftovers) String() string {
	var texts []string
	for _, budget := range slices.Sorted(maps.Keys(l.held)) {
		texts = append(texts, budget+" lets none of these go: "+strings.Join(l.held[budget], ", "))
	}
	return joinLines(append(texts, l.rest...))
}

// podsOn gives each pod of a node.
func (c *Client) podsOn(ctx context.Context, node string, do func(*unstructured.Unstructured) error) error {
	return each(ctx, c.objects.Resource(podResource), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node}, do)
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

var budgetIn = regexp.MustCompile(`disruption budget (\S+)`)

// evict asks for a pod to leave, and notes why it is there still. An error is that there
// is no time to ask.
// https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
func (d *draining) evict(ctx context.Context, p *unstructured.Unstructured, left *leftovers) error {
	name := p.GetNamespace() + "/" + p.GetName()
	left.pods++
	if p.GetDeletionTimestamp() != nil {
		left.rest = append(left.rest, name+" ends")
		return nil
	}
	eviction := &unstructured.Unstructured{Object: fields{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": fields{"name": p.GetName(), "namespace": p.GetNamespace()},
		"deleteOptions": fields{"preconditions": fields{"uid": string(p.GetUID())}}}}
	_, err := d.objects.Resource(podResource).Namespace(p.GetNamespace()).Create(ctx, eviction, metav1.CreateOptions{}, "eviction")
	switch {
	case late(err):
		return err
	case err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err): // the next look tells
		left.rest = append(left.rest, name+" ends")
		return nil
	case apierrors.IsTooManyRequests(err):
		for _, cause := range causesOf(err) {
			if found := budgetIn.FindStringSubmatch(cause.Message); found != nil {
				budget := "PodDisruptionBudget " + p.GetNamespace() + "/" + found[1]
				left.held[budget] = append(left.held[budget], name)
				return nil
			}
		}
	}
	left.rest = append(left.rest, name+": "+err.Error())
	return nil
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
	var budgets []*unstructured.Unstructured // those that allow nothing
	err = each(ctx, c.objects.Resource(budgetResource), metav1.ListOptions{}, func(b *unstructured.Unstructured) error {
		if numberAt(b.Object, "status", "disruptionsAllowed") <= 0 {
			budgets = append(budgets, b)
		}
		return nil
	})
	for _, node := range nodes {
		if err != nil {
			return nil, err
		}
		err = c.podsOn(ctx, node, func(p *unstructured.Unstructured) error {
			if !stays(p) {
				list = append(list, blockersOf(node, p, budgets)...)
			}
			return nil
		})
	}
	return list, err
}

func blockersOf(node string, p *unstructured.Unstructured, budgets []*unstructured.Unstructured) (list []Blocker) {
	b := Blocker{Node: node, Pod: p.GetNamespace() + "/" + p.GetName()}
	if unmanaged(p) {
		b.Why = "nobody would make it again elsewhere"
		list = append(list, b)
	}
	for _, budget := range budgets {
		if holds(budget, p) {
			b.Budget = budget.GetNamespace() + "/" + budget.GetName()
			b.Why = "PodDisruptionBudget " + b.Budget + " allows none of its pods to leave now"
			list = append(list, b)
		}
	}
	return list
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
