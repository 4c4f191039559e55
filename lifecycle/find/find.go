// Package find finds container images in Kubernetes objects and in charts, and
// says for each where it is and how sure that is. It dials nobody: what is doubtful
// is for the caller to confirm.
//
// Nouns. A rule is a way to find: by the type of an object, by a path that is known
// for its kind, by the name of a field or variable, by the look of a text. A
// reference is in full when it has a registry's host and a tag or digest, so that it
// can hardly be anything else; it is short when one of them is missing, and counts
// only where a name says that an image is meant.
package find

import (
	"cmp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/object"
)

// Sure is how sure it is that a text is an image that runs.
type Sure string

// How sure, most first.
const (
	Certain  Sure = "certain"  // a container's image, by the type of the object; Kubernetes' own tables
	Declared Sure = "declared" // the profile says so, or the chart's own list
	Likely   Sure = "likely"   // a path rule of a known custom resource
	Doubtful Sure = "doubtful" // text that looks like an image, in an argument or a variable
)

// Sures are all of them in their order, most sure first.
var Sures = []Sure{Certain, Declared, Likely, Doubtful}

// Rank is a Sure's place among Sures; -1 when it is none.
func (s Sure) Rank() int { return slices.Index(Sures, s) }

// The rules, as Find.Rule names them.
const (
	ruleObject     = "object"
	rulePod        = "pod spec"
	rulePath       = "path"
	ruleField      = "field"
	ruleEnv        = "env"
	ruleArgument   = "argument"
	ruleAnnotation = "annotation"
	ruleConfig     = "config"
	ruleLock       = "lock file"
	ruleVersion    = "version"
)

// Find is one place where an image was found.
type Find struct {
	Image  string // as written there, put together when it is in parts: "quay.io/x/y:1"
	File   string // template, or file of the chart
	Line   int
	Object string // "Deployment default/web"; "" for files of a chart
	Field  string // "spec.template.spec.containers[0].image"
	// Rule found it: "pod spec", "path", "field", "env", "argument", "annotation",
	// "config" (text in a ConfigMap or Secret), "object" (text in another object),
	// "version" (put together from a version alone), "lock file".
	Rule string
	Sure Sure
	Test bool // in a test hook of a chart
}

// Rule says where in objects of a kind images are, beside what is known here.
type Rule struct {
	Kind string // "Prometheus", of any group, or "monitoring.coreos.com/Prometheus"
	// Path leads to a text, to fields registry, repository, tag and digest, or to a
	// list of either: "spec.image", "spec.containers[*].image", "spec..image" for any
	// depth, "data[a.b]" for a name with dots.
	Path string
}

// InObjects finds images in objects, by the rules that are known here and by extra
// ones, whose finds count as declared. Finds are in the order of the objects, and
// then of lines; a field has the same image once, by its surest rule. An object with
// thousands of finds has no further doubtful ones. Texts that a container has as
// image are returned also when they are no reference: whoever pulls them has to say
// so.
func InObjects(objects []object.Object, extra []Rule) []Find {
	rules := make([]kindRule, 0, len(extra))
	for _, r := range extra {
		if path, err := parsePath(r.Path); err == nil {
			group, kind := splitKind(r.Kind)
			rules = append(rules, kindRule{group: group, kind: kind, path: path})
		}
	}
	var list []Find
	for _, o := range objects {
		f := finder{object: o, found: map[spot]Find{}}
		f.content(o.ID, o.Content, "")
		for _, r := range rules {
			if r.matches(o.ID) {
				f.byPath(r.path, o.Content, Declared)
			}
		}
		list = append(list, f.list()...)
	}
	return list
}

// Validate reports whether the rule can be used: it has a kind, and a path that can
// be read. The error is registry.ErrInvalid.
func (r Rule) Validate() error {
	if _, kind := splitKind(r.Kind); kind == "" {
		return invalid("kind %q: it needs a name such as Prometheus or monitoring.coreos.com/Prometheus", r.Kind)
	}
	_, err := parsePath(r.Path)
	return err
}

// maxDoubtful is how many finds an object may have before doubtful ones are left out:
// what has thousands is a list of something else.
const maxDoubtful = 5_000

// spot is what a find is of: an image in a field.
type spot struct{ field, image string }

// finder looks through one object. It is passed by value: what it learns on the way
// down (all but the first two fields) holds for what is below.
type finder struct {
	object object.Object
	found  map[spot]Find
	off    []string // fields that are there, but not used because of a switch elsewhere

	embedded int    // how deep in texts that are YAML themselves
	unsure   bool   // below a switch that is off, or in an object that only speaks of images
	hub, tag string // that names below are completed with, as in the values of Istio and Linkerd
}

// add notes an image. The rule is what found it; a surer one for the same field
// replaces it.
func (f finder) add(image, field, rule string, sure Sure) {
	image = strings.TrimSpace(image)
	switch {
	case f.unsure, f.embedded > 0 && rule != rulePod:
		sure = Doubtful
	case f.embedded > 0 && sure == Certain:
		sure = Likely
	}
	if f.embedded > 0 && rule != rulePod {
		rule = ruleConfig
	}
	at := spot{field, image}
	if old, ok := f.found[at]; ok && old.Sure.Rank() <= sure.Rank() || sure == Doubtful && len(f.found) >= maxDoubtful {
		return
	}
	f.found[at] = Find{
		Image: image, File: f.object.File, Line: f.object.LineOf(field), Object: title(f.object.ID),
		Field: field, Rule: rule, Sure: sure, Test: onlyTests(f.object.Content),
	}
}

func (f finder) list() []Find {
	list := make([]Find, 0, len(f.found))
	for _, find := range f.found {
		list = append(list, find)
	}
	slices.SortFunc(list, func(a, b Find) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Image, b.Image))
	})
	return list
}

// title is "Deployment default/web".
func title(id object.ID) string {
	id.Group = ""
	return id.String()
}

// onlyTests reports whether an object is a hook that runs for "helm test" and at no
// other time (Helm, "Chart Hooks").
func onlyTests(content map[string]any) bool {
	annotations := fieldsOf(fieldsOf(content, "metadata"), "annotations")
	hooks := textOf(annotations, "helm.sh/hook")
	if hooks == "" {
		return false
	}
	for hook := range strings.SplitSeq(hooks, ",") {
		switch strings.TrimSpace(hook) {
		case "test", "test-success", "test-failure":
		default:
			return false
		}
	}
	return true
}
