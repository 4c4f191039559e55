package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/registry"
)

// ApplyOptions say how a layer is applied.
type ApplyOptions struct {
	Limit    time.Duration // for which it may take until it is ready; 0: until the context ends
	Progress func(string)  // nil: nobody is told
}

func (o ApplyOptions) tell(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

// Applied is what came of a layer.
type Applied struct {
	Objects int      `json:"objects"`
	Pruned  []string `json:"pruned,omitempty"` // that a version before had
	Left    []string `json:"left,omitempty"`   // that it had, and that hold what others may need
}

// labelLayer is on every object of a layer; noteDefinition says which version made it.
const (
	labelLayer     = "landfall.dev/layer"
	noteDefinition = "landfall.dev/definition"
)

// Apply brings a layer to what it is to be, waits until it is ready, and takes away what
// a version before had and this one has not. It goes on where it was interrupted: what
// is as it should be is left alone. ErrConflict says which objects do not get ready, and
// why; nothing is taken away then.
func (c *Client) Apply(ctx context.Context, l Layer, opts ApplyOptions) (*Applied, error) {
	if opts.Limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, opts.Limit, fmt.Errorf("%w: layer %s did not get ready within %s", registry.ErrConflict, l.Name, opts.Limit))
		defer cancel()
		ctx = limited
	}
	set, err := c.read(l)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	before, err := c.inventory(ctx, l.Name)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	applied := &Applied{Objects: len(set.objects)}
	if err := c.apply(ctx, l, set, before, opts); err != nil {
		return applied, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	if err := c.prune(ctx, before, set.keys(), applied); err != nil {
		return applied, fmt.Errorf("layer %s: %w", l.Name, err)
	}
	return applied, c.writeInventory(ctx, l, set.keys())
}

// apply applies the objects of a layer between its hooks.
func (c *Client) apply(ctx context.Context, l Layer, set *set, before []key, opts ApplyOptions) error {
	if err := c.makeNamespaces(ctx, l); err != nil {
		return err
	}
	// What there may be from now on is noted first, so that nothing is ever forgotten.
	if err := c.writeInventory(ctx, l, union(before, set.keys())); err != nil {
		return err
	}
	pre, post := "pre-install", "post-install"
	if len(before) > 0 {
		pre, post = "pre-upgrade", "post-upgrade"
	}
	if err := c.hooks(ctx, set.hooks, pre, opts); err != nil {
		return err
	}
	for i, o := range set.objects {
		opts.tell("applies %s (%d of %d)", nameOf(o), i+1, len(set.objects))
		if err := c.put(ctx, o); err != nil {
			return err
		}
		if o.GetKind() == "CustomResourceDefinition" { // objects of its kind may follow
			if err := c.awaitReady(ctx, []*unstructured.Unstructured{o}, opts); err != nil {
				return err
			}
			c.mapper.Reset()
		}
	}
	if err := c.awaitReady(ctx, set.objects, opts); err != nil {
		return err
	}
	return c.hooks(ctx, set.hooks, post, opts)
}

// nameOf is "Deployment default/web".
func nameOf(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

// put applies one object by the server's own rules; fields of others stay.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/
func (c *Client) put(ctx context.Context, o *unstructured.Unstructured) error {
	content, err := json.Marshal(o.Object)
	if err != nil {
		return err
	}
	replaced := false
	return c.until(ctx, nameOf(o), func(ctx context.Context) (string, error) {
		in, err := c.resource(o.GroupVersionKind(), o.GetNamespace())
		if meta.IsNoMatchError(err) {
			return "", fmt.Errorf("%w: the cluster knows no %s: the layer that brings it has to come before, or dependsOn name it", registry.ErrInvalid, o.GroupVersionKind())
		}
		if err != nil {
			return "", err
		}
		force := true
		_, err = in.Patch(ctx, o.GetName(), types.ApplyPatchType, content, metav1.PatchOptions{FieldManager: c.opts.Owner, Force: &force})
		if apierrors.IsInvalid(err) && o.GetKind() == "Job" && !replaced {
			replaced = true // what a Job does cannot be changed: the old one goes
			return "the Job before it ends", c.remove(ctx, keyOf(o))
		}
		if apierrors.IsInvalid(err) {
			return "", fmt.Errorf("%w: %w", registry.ErrInvalid, err)
		}
		return "", err
	})
}

// remove deletes an object, and what belongs to it, in the background.
func (c *Client) remove(ctx context.Context, k key) error {
	in, err := c.resource(k.kind(), k.Namespace)
	if meta.IsNoMatchError(err) {
		return nil // with its kind it is gone, too
	}
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err = in.Delete(ctx, k.Name, metav1.DeleteOptions{PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// kept are kinds that are not taken away with a layer, since they may hold what people
// have made.
var kept = []string{"Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume"}

// prune takes away what was there before and is not wanted any more, the last one first.
func (c *Client) prune(ctx context.Context, before, now []key, applied *Applied) error {
	for _, k := range slices.Backward(before) {
		if slices.ContainsFunc(now, k.same) {
			continue
		}
		if slices.Contains(kept, k.Kind) {
			applied.Left = append(applied.Left, k.String())
			continue
		}
		if err := c.retried(ctx, k.String(), func(ctx context.Context) error { return c.remove(ctx, k) }); err != nil {
			return err
		}
		applied.Pruned = append(applied.Pruned, k.String())
	}
	return nil
}

// RemoveLayer takes away what a layer has in the cluster, but for what may hold data.
// One that has nothing is done.
func (c *Client) RemoveLayer(ctx context.Context, name string) error {
	keys, err := c.inventory(ctx, name)
	if err != nil {
		return fmt.Errorf("layer %s: %w", name, err)
	}
	if err := c.prune(ctx, keys, nil, &Applied{}); err != nil {
		return fmt.Errorf("layer %s: %w", name, err)
	}
	return c.retried(ctx, "layer "+name, func(ctx context.Context) error {
		err := c.objects.Resource(configResource).Namespace(ourNamespace).Delete(ctx, inventoryName(name), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// makeNamespaces makes the namespaces of a layer's units that are not there, and ours.
func (c *Client) makeNamespaces(ctx context.Context, l Layer) error {
	names := []string{ourNamespace}
	for _, u := range l.Units {
		if u.Namespace != "" && !slices.Contains(names, u.Namespace) {
			names = append(names, u.Namespace)
		}
	}
	for _, name := range names {
		o := &unstructured.Unstructured{Object: fields{"apiVersion": "v1", "kind": "Namespace", "metadata": fields{"name": name}}}
		err := c.retried(ctx, nameOf(o), func(ctx context.Context) error {
			_, err := c.objects.Resource(namespaceResource).Create(ctx, o, metav1.CreateOptions{FieldManager: c.opts.Owner})
			if apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func union(a, b []key) []key {
	list := slices.Clone(a)
	for _, k := range b {
		if !slices.ContainsFunc(list, k.same) {
			list = append(list, k)
		}
	}
	return list
}

var errNoObject = errors.New("a document is no object: it needs apiVersion, kind and metadata.name")

func joinLines(texts []string) string { return strings.Join(texts, "; ") }
