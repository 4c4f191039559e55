package plan

import (
	"reflect"
	"slices"

	"github.com/landfall-dev/landfall/lifecycle/definition"
)

// onHosts reports whether something of a layer is on hosts, not only in the cluster.
func onHosts(l *definition.Layer) bool {
	return len(l.Providers)+len(l.Files) > 0 || l.Type == "kubernetes"
}

// touched reports whether an upgrade changes anything on a platform's hosts.
func touched(from, to *definition.Definition, platform string) bool {
	return !reflect.DeepEqual(from.Kubernetes, to.Kubernetes) || !reflect.DeepEqual(hostParts(from, platform), hostParts(to, platform))
}

// hostPart is what a layer puts on hosts.
type hostPart struct {
	name, target string
	mode         uint32
	digest       string
}

func hostParts(d *definition.Definition, platform string) (list []hostPart) {
	for _, l := range d.Layers {
		if len(l.Platforms) > 0 && !slices.Contains(l.Platforms, platform) {
			continue
		}
		for _, p := range l.Providers {
			if len(p.Platforms) == 0 || slices.Contains(p.Platforms, platform) {
				list = append(list, hostPart{name: p.Name, digest: p.Digest.String()})
			}
		}
		for _, f := range l.Files {
			if f.Target != "" {
				list = append(list, hostPart{target: f.Target, mode: f.Mode, digest: f.Digest.String()})
			}
		}
	}
	return list
}

// changed are the layers of a definition that another one does not have in this form, as
// far as they are applied to the cluster.
func changed(from, to *definition.Definition) (list []definition.Layer) {
	for _, l := range to.Layers {
		i := slices.IndexFunc(from.Layers, func(old definition.Layer) bool { return old.Name == l.Name })
		if i < 0 || !sameObjects(&from.Layers[i], &l) {
			list = append(list, l)
		}
	}
	return list
}

func sameObjects(a, b *definition.Layer) bool {
	return a.Namespace == b.Namespace && reflect.DeepEqual(a.Charts, b.Charts) && reflect.DeepEqual(a.Manifests, b.Manifests)
}

// removed are the layers of a definition, with objects, that another one has not at all:
// the last one first, since others may stand on the first.
func removed(from, to *definition.Definition) (list []definition.Layer) {
	for _, l := range slices.Backward(from.Layers) {
		there := slices.ContainsFunc(to.Layers, func(next definition.Layer) bool { return next.Name == l.Name && applies(&next) })
		if applies(&l) && !there {
			list = append(list, l)
		}
	}
	return list
}
