package resolve

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// placed is an object and where it came from.
type placed struct {
	object.Object
	layer, chart string
}

// clusterScoped are kinds of Kubernetes itself that are in no namespace.
var clusterScoped = []string{
	"APIService", "CSIDriver", "CSINode", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "FlowSchema",
	"IngressClass", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PriorityClass",
	"PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
	"ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeSnapshotClass",
}

// claim notes whose the objects are: what two layers or charts bring, each in its own
// way, both would go on changing.
func (b *builder) claim(from rendering, objects []object.Object) error {
	var errs []error
	for _, o := range objects {
		if o.ID.Kind == "" || o.ID.Name == "" {
			continue
		}
		id := o.ID
		if id.Namespace == "" && !slices.Contains(clusterScoped, id.Kind) {
			id.Namespace = from.namespace
		}
		mine := placed{o, from.reason.Layer, from.reason.Chart}
		other, taken := b.objects[id.String()]
		if !taken {
			b.objects[id.String()] = mine
			continue
		}
		if other.layer == mine.layer && other.chart == mine.chart || reflect.DeepEqual(other.Content, o.Content) {
			continue
		}
		errs = append(errs, fmt.Errorf("%w: %s is in both %s and %s: leave it out of one, by its values or by removing the file",
			registry.ErrConflict, id, other, mine))
	}
	return errors.Join(errs...)
}

func (p placed) String() string {
	text := "layer " + p.layer
	if p.chart != "" {
		text += ", chart " + p.chart
	}
	return fmt.Sprintf("%s, %s:%d", text, p.File, p.Line)
}
