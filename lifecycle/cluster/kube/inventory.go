package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// ourNamespace is where inventories are kept.
const ourNamespace = "landfall-system"

const inventoryField = "objects"

func inventoryName(layer string) string { return "landfall-layer-" + layer }

// inventory is what a layer has in the cluster, in the order in which it was applied;
// nothing before it was.
func (c *Client) inventory(ctx context.Context, layer string) (list []key, err error) {
	err = c.retried(ctx, "its inventory", func(ctx context.Context) error {
		list = nil
		o, err := c.objects.Resource(configResource).Namespace(ourNamespace).Get(ctx, inventoryName(layer), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(textAt(o.Object, "data", inventoryField)), &list); err != nil {
			return fmt.Errorf("ConfigMap %s/%s: %w: %w", ourNamespace, inventoryName(layer), registry.ErrInvalid, err)
		}
		return nil
	})
	return list, err
}

// writeInventory notes what a layer has, or may have.
func (c *Client) writeInventory(ctx context.Context, l Layer, keys []key) error {
	content, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	return c.put(ctx, &unstructured.Unstructured{Object: fields{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": fields{"name": inventoryName(l.Name), "namespace": ourNamespace, "annotations": fields{noteDefinition: l.Definition}},
		"data":     fields{inventoryField: string(content)},
	}})
}
