package kube

import (
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ObjectChange is how an object of a layer changes.
type ObjectChange struct {
	Object string        `json:"object" example:"Deployment shop/web"`
	Change string        `json:"change" enum:"added,removed,changed"`
	Fields []FieldChange `json:"fields,omitempty" doc:"That change"`
}

// FieldChange is a field that changes. Values of Secrets are not told.
type FieldChange struct {
	Path string `json:"path" example:"spec.replicas"`
	From string `json:"from,omitempty" doc:"JSON; empty: it is not there"`
	To   string `json:"to,omitempty" doc:"JSON; empty: it is not there any more"`
}

// Hidden stands for a value that is not told.
const Hidden = "(hidden)"

// Changes are the objects that differ between two forms of a layer, as it is rendered:
// no cluster is asked. Hooks count as objects. A value whose text hide takes for secret
// is not told, nor are those of Secrets.
func Changes(from, to Layer, hide func(text string) bool) (list []ObjectChange, err error) {
	c := &Client{opts: Options{Owner: defaultOwner}}
	a, err := c.read(from)
	b, err2 := c.read(to)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	before, after := a.all(), b.all()
	for _, o := range after {
		i := slices.IndexFunc(before, func(old *unstructured.Unstructured) bool { return keyOf(old).same(keyOf(o)) })
		if i < 0 {
			list = append(list, ObjectChange{Object: nameOf(o), Change: "added"})
			continue
		}
		if fields := fieldChanges(before[i], o, hide); len(fields) > 0 {
			list = append(list, ObjectChange{Object: nameOf(o), Change: "changed", Fields: fields})
		}
	}
	for _, o := range before {
		if !slices.ContainsFunc(after, func(next *unstructured.Unstructured) bool { return keyOf(next).same(keyOf(o)) }) {
			list = append(list, ObjectChange{Object: nameOf(o), Change: "removed"})
		}
	}
	return list, nil
}

func fieldChanges(before, after *unstructured.Unstructured, hide func(text string) bool) (list []FieldChange) {
	d := &comparison{secret: before.GroupVersionKind().GroupKind().String() == "Secret", text: func(v any) string {
		text := wholeText(v)
		switch {
		case v == nil:
			return ""
		case hide(text):
			return Hidden
		}
		return cut(text)
	}}
	d.fields("", before.Object, after.Object)
	for _, f := range d.list {
		if d.secret {
			f.Have, f.Want = Hidden, Hidden
		}
		list = append(list, FieldChange{f.Path, f.Have, f.Want})
	}
	return list
}

// all are the objects of a set, hooks too.
func (s *set) all() []*unstructured.Unstructured {
	list := slices.Clone(s.objects)
	for _, h := range s.hooks {
		list = append(list, h.Unstructured)
	}
	return list
}
