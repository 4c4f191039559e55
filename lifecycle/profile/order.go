package profile

import (
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// check is what can be said once a file and all that it includes was read.
func (d *document) check() {
	d.rename()
	d.checkPlatforms()
	if d.hidden {
		return // what is not declared here may be there
	}
	for _, u := range d.uses {
		if _, declared := d.at[u.name]; declared {
			continue
		}
		kind, name, _ := strings.Cut(u.name, ".")
		text := "no group is called " + name + "; add it to spec.groups (" + d.declared("group.") + ")"
		if kind == "var" {
			text = "${var." + name + "}: no variable is called so; declare it in spec.variables (" + d.declared("var.") + ")"
		}
		d.add(&Problem{Place: u.at, Field: u.field, Text: text})
	}
}

// declared are the names that there are.
func (d *document) declared(kind string) string {
	var names []string
	for key := range d.at {
		if name, ok := strings.CutPrefix(key, kind); ok {
			names = append(names, name)
		}
	}
	if names == nil {
		return "there is none"
	}
	slices.Sort(names)
	if len(names) > 30 {
		names = append(names[:30], "...")
	}
	return strings.Join(names, ", ")
}

// rename gives included layers names that no other has, and makes all names known
// to dependsOn.
func (d *document) rename() {
	taken := map[string]bool{}
	for _, n := range d.nodes {
		if n.document == d {
			taken[n.Name] = true
		}
	}
	for _, i := range d.inclusions {
		for _, n := range i.nodes {
			for taken[n.Name] && i.name != "" {
				n.Name = i.name + "/" + n.Name
			}
			taken[n.Name] = true
			if _, known := d.scope[n.Name]; !known {
				d.scope[n.Name] = []*node{n}
			}
		}
	}
}

// checkPlatforms: a layer is for platforms of the profile, and an included profile
// for all of them. A profile that says nothing is for those of all that it includes.
func (d *document) checkPlatforms() {
	p := &d.profile
	if len(p.Platforms) == 0 {
		for _, l := range d.limits {
			if l.included != "" {
				d.narrow(l)
			}
		}
	}
	if len(p.Platforms) == 0 {
		return
	}
	for _, l := range d.limits {
		within, of, cure := l.platforms, p.Platforms, "is none of the profile's platforms; add it to spec.platforms, or take it out here"
		if l.included != "" {
			within, of = p.Platforms, l.platforms
			cure = "is not a platform of the included profile " + l.included + "; take it out of spec.platforms, or add it there"
		}
		for _, platform := range within {
			if !slices.ContainsFunc(of, samePlatform(platform)) {
				d.fail(l.field, "%s %s (%s)", registry.PlatformString(platform), cure, platforms(of))
			}
		}
	}
}

// narrow takes the platforms of an included profile, or those that others have too.
func (d *document) narrow(l limit) {
	p := &d.profile
	if len(p.Platforms) == 0 {
		p.Platforms = slices.Clone(l.platforms)
		return
	}
	var both []registry.Platform
	for _, platform := range p.Platforms {
		if slices.ContainsFunc(l.platforms, samePlatform(platform)) {
			both = append(both, platform)
		}
	}
	if both == nil {
		d.fail(l.field, "the included profile %s is for none of the platforms of those before (%s)", l.included, platforms(p.Platforms))
		return
	}
	p.Platforms = both
}

func samePlatform(p registry.Platform) func(registry.Platform) bool {
	return func(other registry.Platform) bool {
		return registry.PlatformString(p) == registry.PlatformString(other)
	}
}

func platforms(list []registry.Platform) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, registry.PlatformString(p))
	}
	return strings.Join(texts, ", ")
}

// finish is what can be said of the whole stack, and puts it in order.
func (r *reader) finish(d *document) {
	p := &d.profile
	for _, i := range r.included {
		if i.document != nil && i.document.profile.Name == p.Name {
			r.add(&Problem{Place: i.at, Text: i.file + " has the name of the profile that includes it, " + p.Name + "; give one of the two another name"})
		}
	}
	if len(d.nodes) > MaxLayers {
		r.addf(Place{File: d.file}, "", "%d layers with those of included profiles, and at most %d can be", len(d.nodes), MaxLayers)
		return
	}
	if len(p.Variables) > MaxVariables {
		r.addf(Place{File: d.file}, "", "%d variables with those of included profiles, and at most %d can be", len(p.Variables), MaxVariables)
	}
	for _, kind := range []LayerType{OS, Kubernetes} {
		first := ""
		for _, n := range d.nodes {
			if n.Type != kind {
				continue
			}
			if first != "" {
				r.addf(n.At, "", "layer %s of type %s: there is one already, %s; a stack has one", n.Name, kind, first)
			} else {
				first = n.Name + " at " + n.At.String()
			}
		}
	}
	for _, n := range d.nodes {
		r.resolve(n)
	}
	r.cycles(d.nodes)
	if len(r.list) == 0 {
		for _, n := range ordered(d.nodes) {
			p.Layers = append(p.Layers, n.layer(d))
		}
	}
}

// resolve turns names in dependsOn into layers.
func (r *reader) resolve(n *node) {
	for _, dep := range n.dependsOn {
		targets, known := dep.in.scope[dep.name]
		if !known && !dep.in.hidden {
			var names []string
			for name := range dep.in.scope {
				names = append(names, name)
			}
			slices.Sort(names)
			dep.in.fail(dep.field, "no layer is called %.80s (%s)", dep.name, strings.Join(names, ", "))
			continue
		}
		for _, to := range targets {
			switch {
			case to.rank() > n.rank() && dep.forAll:
			case to.rank() > n.rank() && n.rank() >= 0:
				dep.in.fail(dep.field, "layer %s of type %s cannot depend on layer %s of type %s (%s), which comes later; the order is os, kubernetes, network, storage, addon",
					n.Name, n.Type, to.Name, to.Type, to.At)
			case !slices.ContainsFunc(n.needs, func(e edge) bool { return e.to == to }):
				n.needs = append(n.needs, edge{to, dep})
			}
		}
	}
}

// rank is where a layer's type is in the order; -1: it is wrong, and told.
func (n *node) rank() int { return slices.Index(layerTypes, n.Type) }

// cycles tells each chain of layers that comes back to where it began.
func (r *reader) cycles(nodes []*node) {
	done := map[*node]bool{}
	var chain []*node
	var visit func(n *node)
	visit = func(n *node) {
		chain = append(chain, n)
		for _, e := range n.needs {
			if k := slices.Index(chain, e.to); k >= 0 {
				var texts []string
				for _, c := range chain[k:] {
					texts = append(texts, c.Name+" ("+c.At.String()+")")
				}
				e.dep.in.fail(e.dep.field, "layers depend on each other: %s → %s; take one of these out", strings.Join(texts, " → "), e.to.Name)
				continue
			}
			if !done[e.to] {
				visit(e.to)
			}
		}
		chain = chain[:len(chain)-1]
		done[n] = true
	}
	for _, n := range nodes {
		if !done[n] {
			visit(n)
		}
	}
}

// ordered are layers by type, each after those that it depends on, else as written.
// There are no cycles, and nobody depends on a later type.
func ordered(nodes []*node) (list []*node) {
	left := slices.Clone(nodes)
	slices.SortStableFunc(left, func(a, b *node) int { return a.rank() - b.rank() })
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(n *node) bool {
			return !slices.ContainsFunc(n.needs, func(e edge) bool { return slices.Contains(left, e.to) })
		})
		list = append(list, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return list
}

// layer is a node as the outermost profile d has it.
func (n *node) layer(d *document) Layer {
	l := n.Layer
	for _, e := range n.needs {
		l.DependsOn = append(l.DependsOn, e.to.Name)
	}
	if n.document != d {
		l.From = n.document.profile.Name + " " + n.document.profile.Version
	}
	return l
}
