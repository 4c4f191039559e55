package resolve

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/registry"
)

// placed is an object and where it came from.
type placed struct {
	object.Object
	layer, chart, release string
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
		mine := placed{o, from.reason.Layer, from.reason.Chart, from.release}
		other, taken := b.objects[id.String()]
		if !taken {
			b.objects[id.String()] = mine
			continue
		}
		if other.layer == mine.layer && other.chart == mine.chart && other.release == mine.release || reflect.DeepEqual(other.Content, o.Content) {
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
	text = fmt.Sprintf("%s, %s:%d", text, p.File, p.Line)
	if p.release != "" {
		text += " (release " + p.release + ")"
	}
	return text
}

// claimRelease notes whose a release is: two charts of one would take each other out.
func (b *builder) claimRelease(l *profile.Layer, at profile.Place, d *definition.Chart) error {
	name := d.Namespace + "/" + d.Release
	mine := released{d, l.Name, at}
	other, taken := b.releases[name]
	if !taken {
		b.releases[name] = mine
		return nil
	}
	if other.Digest == d.Digest && reflect.DeepEqual(other.Values, d.Values) {
		return nil
	}
	return fmt.Errorf("%w: release %s of namespace %s is in both %s and %s: give one of them another name in its field release",
		registry.ErrConflict, d.Release, d.Namespace, other, mine)
}

// released is a chart and where the profile has it.
type released struct {
	*definition.Chart
	layer string
	at    profile.Place
}

func (r released) String() string {
	return fmt.Sprintf("layer %s, chart %s %s, %s", r.layer, r.Name, r.Version, r.at)
}

// claimFile notes whose a path on hosts is. Layers for different platforms may each have
// their own file there.
func (b *builder) claimFile(l *profile.Layer, at profile.Place, part definition.Part) error {
	if part.Target == "" { // nothing says where it goes
		return nil
	}
	mine := target{part, l, at}
	for _, other := range b.targets[part.Target] {
		if (other.Digest != part.Digest || other.Mode != part.Mode) && meet(other.layer.Platforms, l.Platforms) {
			return fmt.Errorf("%w: %s on hosts is in both %s and %s: leave it out of one, or give it another target",
				registry.ErrConflict, part.Target, other, mine)
		}
	}
	b.targets[part.Target] = append(b.targets[part.Target], mine)
	return nil
}

// target is what goes to a path on hosts, and where the profile has it.
type target struct {
	definition.Part
	layer *profile.Layer
	at    profile.Place
}

func (t target) String() string { return fmt.Sprintf("layer %s, %s, %s", t.layer.Name, t.Path, t.at) }

// meet reports whether there can be hosts of both; no platforms are all.
func meet(a, b []registry.Platform) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(platformTexts(a), func(p string) bool { return slices.Contains(platformTexts(b), p) })
}
