package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/registry"
)

// ourNamespace is where inventories are kept.
const ourNamespace = "landfall-system"

// What a ConfigMap that is an inventory has.
const (
	labelInventory = "landfall.dev/inventory" // the layer
	objectsField   = "objects"                // []entry, JSON
	appliedField   = "applied"                // definition
)

func inventoryName(layer string) string { return "landfall-layer-" + layer }

// entry is an object that a layer has, or may have.
type entry struct {
	key
	UID  types.UID `json:"uid,omitempty"`  // of the one that was made; empty: it may not be there yet
	Hook bool      `json:"hook,omitempty"` // it is made at an event
}

// inventory is what a layer has in the cluster.
type inventory struct {
	Layer   string
	Applied string // definition that was applied as a whole last; empty: none was yet
	Objects []entry
}

// find is the entry of an object, the zero one when there is none.
func (i *inventory) find(k key) entry {
	if at := slices.IndexFunc(i.Objects, func(e entry) bool { return e.same(k) }); at >= 0 {
		return i.Objects[at]
	}
	return entry{}
}

// without are the entries of other objects than these.
func (i *inventory) without(list []entry) (rest []entry) {
	for _, e := range i.Objects {
		if !slices.ContainsFunc(list, func(other entry) bool { return other.same(e.key) }) {
			rest = append(rest, e)
		}
	}
	return rest
}

// inventory is a layer's; an empty one when it has none.
func (c *Client) inventory(ctx context.Context, layer string) (i *inventory, err error) {
	err = c.retried(ctx, "its inventory", func(ctx context.Context) error {
		o, err := c.objects.Resource(configResource).Namespace(ourNamespace).Get(ctx, inventoryName(layer), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			i = &inventory{Layer: layer}
			return nil
		}
		if err != nil {
			return err
		}
		i, err = inventoryOf(o)
		return err
	})
	return i, err
}

func inventoryOf(o *unstructured.Unstructured) (*inventory, error) {
	i := &inventory{Layer: o.GetLabels()[labelInventory], Applied: textAt(o.Object, "data", appliedField)}
	if err := json.Unmarshal([]byte(textAt(o.Object, "data", objectsField)), &i.Objects); err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s: %w: %w", ourNamespace, o.GetName(), registry.ErrInvalid, err)
	}
	return i, nil
}

// inventories are those of all layers.
func (c *Client) inventories(ctx context.Context) (list []*inventory, err error) {
	in := c.objects.Resource(configResource).Namespace(ourNamespace)
	err = c.retried(ctx, "inventories", func(ctx context.Context) error {
		list = nil
		return each(ctx, in, metav1.ListOptions{LabelSelector: labelInventory}, func(o *unstructured.Unstructured) error {
			i, err := inventoryOf(o)
			list = append(list, i)
			return err
		})
	})
	return list, err
}

// writeInventory notes what a layer has, or may have.
func (c *Client) writeInventory(ctx context.Context, i *inventory, definition string) error {
	content, err := json.Marshal(i.Objects)
	if err != nil {
		return err
	}
	_, err = c.put(ctx, &unstructured.Unstructured{Object: fields{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": fields{"name": inventoryName(i.Layer), "namespace": ourNamespace,
			"labels": fields{labelInventory: i.Layer}, "annotations": fields{noteDefinition: definition}},
		"data": fields{objectsField: string(content), appliedField: i.Applied},
	}})
	return err
}
