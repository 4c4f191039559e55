package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
)

// notePolicy says of an object, with "keep", that it stays when its layer goes.
// https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource
const notePolicy = "helm.sh/resource-policy"

// remove deletes the object with this UID, and what belongs to it, in the background. One
// that is not there, or is another one, is done.
func (c *Client) remove(ctx context.Context, k key, uid types.UID) error {
	in, err := c.resource(k.kind(), k.Namespace)
	if meta.IsNoMatchError(err) {
		return nil // with its kind it is gone, too
	}
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err = in.Delete(ctx, k.Name, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// foreign is why an object is not a layer's; "" when it is: it bears the layer's label,
// was applied from here, and is the one that was noted, if one was.
func (c *Client) foreign(o *unstructured.Unstructured, layer string, uid types.UID) string {
	switch of := o.GetLabels()[labelLayer]; {
	case uid != "" && o.GetUID() != uid:
		return "somebody else has made it again"
	case of == "":
		return "it does not say that it is a layer's"
	case of != layer:
		return "it belongs to layer " + of
	}
	if !slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == c.opts.Owner && m.Operation == metav1.ManagedFieldsOperationApply
	}) {
		return "it was not applied from here"
	}
	return ""
}

// holding are kinds that may hold what people have made; they stay.
var holding = []string{"PersistentVolumeClaim", "PersistentVolume"}

// pruning takes objects away that a layer does not have any more.
type pruning struct {
	*Client
	layer   string
	tell    func(format string, args ...any)
	applied *Applied
}

// prune takes away what was there before and is not wanted any more: first what was
// applied last. What is of later kinds has to be gone before others go, since what
// ends it may be among those.
func (p *pruning) prune(ctx context.Context, list []entry) error {
	list = slices.Clone(list)
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b entry) int { return rank(b.Kind) - rank(a.Kind) })
	for len(list) > 0 {
		n := 1
		for n < len(list) && rank(list[n].Kind) == rank(list[0].Kind) {
			n++
		}
		if err := p.together(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// together takes objects of kinds that do not depend on each other away, and waits until
// they are gone.
func (p *pruning) together(ctx context.Context, list []entry) error {
	var going []entry
	for _, e := range list {
		uid, err := p.begin(ctx, e)
		if err != nil {
			return err
		}
		if uid != "" {
			e.UID = uid
			going = append(going, e)
		}
	}
	for _, e := range going {
		if err := p.awaitGone(ctx, e); err != nil {
			return err
		}
		p.applied.Pruned = append(p.applied.Pruned, e.String())
	}
	return nil
}

// begin has an object deleted, unless it stays; then, and when it is gone, it has no UID.
func (p *pruning) begin(ctx context.Context, e entry) (uid types.UID, err error) {
	err = p.retried(ctx, e.String(), func(ctx context.Context) error {
		now, err := p.live(ctx, e.key)
		if err != nil || now == nil {
			return err
		}
		why, err := p.stays(ctx, now, e)
		if err != nil {
			return err
		}
		if why != "" {
			p.applied.Left = append(p.applied.Left, e.String()+" ("+why+")")
			return nil
		}
		p.tell("takes %s away", e)
		uid = now.GetUID()
		return p.remove(ctx, e.key, uid)
	})
	return uid, err
}

// awaitGone waits until an object is not there, or another one is.
func (c *Client) awaitGone(ctx context.Context, e entry) error {
	return c.until(ctx, e.String(), func(ctx context.Context) (string, error) {
		now, err := c.live(ctx, e.key)
		if err != nil || now == nil || now.GetUID() != e.UID {
			return "", err
		}
		if holders := now.GetFinalizers(); len(holders) > 0 {
			return "it ends, when this is done: " + strings.Join(holders, ", "), nil
		}
		return "it ends", nil
	})
}

// stays is why an object is not taken away, "" when it is.
func (p *pruning) stays(ctx context.Context, now *unstructured.Unstructured, e entry) (string, error) {
	if why := p.foreign(now, p.layer, e.UID); why != "" {
		return why, nil
	}
	if strings.TrimSpace(now.GetAnnotations()[notePolicy]) == "keep" {
		return notePolicy + ": keep", nil
	}
	switch kind := now.GroupVersionKind().GroupKind().String(); {
	case slices.Contains(holding, kind):
		return "it may hold what people have made", nil
	case kind == "Namespace":
		return p.inNamespace(ctx, now.GetName())
	case kind == "CustomResourceDefinition.apiextensions.k8s.io":
		return p.ofKind(ctx, now)
	}
	return "", nil
}

// errEnough ends a look through a list.
var errEnough = errors.New("enough was seen")

// ofKind is an object of a kind that is there still.
func (p *pruning) ofKind(ctx context.Context, definition *unstructured.Unstructured) (found string, err error) {
	for _, v := range listAt(definition.Object, "spec", "versions") {
		if !truthAt(v, "served") {
			continue
		}
		kind := schema.GroupVersionResource{Group: textAt(definition.Object, "spec", "group"), Version: textAt(v, "name"), Resource: textAt(definition.Object, "spec", "names", "plural")}
		err = each(ctx, p.objects.Resource(kind), metav1.ListOptions{}, func(o *unstructured.Unstructured) error {
			found = nameOf(o) + " is there"
			return errEnough
		})
		if errors.Is(err, errEnough) || apierrors.IsNotFound(err) {
			err = nil
		}
		return found, err
	}
	return "", nil
}

// inNamespace is something in a namespace that would end with it: not what Kubernetes
// puts there, nor what ends with its owner, nor what ends already.
func (p *pruning) inNamespace(ctx context.Context, name string) (found string, err error) {
	lists, err := p.found.ServerPreferredNamespacedResources()
	if discovery.IsGroupDiscoveryFailedError(err) {
		return "what is in it cannot be told: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	for _, l := range lists {
		version, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return "", err
		}
		for _, r := range l.APIResources {
			if !slices.Contains(r.Verbs, "list") || slices.Contains(passingKinds, r.Kind) || version.Group == "metrics.k8s.io" {
				continue
			}
			err := each(ctx, p.objects.Resource(version.WithResource(r.Name)).Namespace(name), metav1.ListOptions{}, func(o *unstructured.Unstructured) error {
				if o.GetDeletionTimestamp() != nil || metav1.GetControllerOf(o) != nil || o.GetName() == "kube-root-ca.crt" || r.Kind == "ServiceAccount" && o.GetName() == "default" {
					return nil
				}
				found = nameOf(o) + " is there"
				return errEnough
			})
			if errors.Is(err, errEnough) {
				return found, nil
			}
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsMethodNotSupported(err) {
				return "", err
			}
		}
	}
	return "", nil
}

// passingKinds are made by others about what is there.
var passingKinds = []string{"Event", "Endpoints", "EndpointSlice", "Lease", "ControllerRevision"}

// RemoveLayer takes away what a layer has in the cluster, but for what may hold data and
// what is not the layer's. One that has nothing is done.
func (c *Client) RemoveLayer(ctx context.Context, name string, opts ApplyOptions) (*Applied, error) {
	ctx, cancel := opts.limited(ctx, "layer "+name+" was not gone")
	defer cancel()
	applied := &Applied{}
	i, err := c.inventory(ctx, name)
	if err == nil {
		p := &pruning{Client: c, layer: name, tell: opts.tell, applied: applied}
		err = p.prune(ctx, i.Objects)
	}
	if err != nil {
		return applied, fmt.Errorf("layer %s: %w", name, err)
	}
	return applied, c.retried(ctx, "layer "+name, func(ctx context.Context) error {
		err := c.objects.Resource(configResource).Namespace(ourNamespace).Delete(ctx, inventoryName(name), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}
