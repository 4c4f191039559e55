package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// longest is how much of a value is told, in bytes.
const longest = 200

// bookkeeping is what the server, and this package, change at objects by themselves.
var bookkeeping = [][]string{
	{"status"}, {"metadata", "managedFields"}, {"metadata", "resourceVersion"}, {"metadata", "generation"}, {"metadata", "uid"},
	{"metadata", "creationTimestamp"}, {"metadata", "annotations", noteDefinition}, {"metadata", "annotations", noteContent},
}

// differences are the fields of an object that would be changed from what it is now.
func differences(now, then *unstructured.Unstructured, taken []claim) []FieldDrift {
	have, want := now.DeepCopy().Object, then.DeepCopy().Object
	for _, path := range bookkeeping {
		unstructured.RemoveNestedField(have, path...)
		unstructured.RemoveNestedField(want, path...)
	}
	d := &comparison{text: valueText, secret: now.GroupVersionKind().GroupKind().String() == "Secret", by: map[string]string{}}
	for _, c := range taken {
		d.by[c.field] = c.manager
	}
	d.fields("", have, want)
	return d.list
}

// comparison gathers what differs.
type comparison struct {
	secret bool // values are not told
	text   func(v any) string
	by     map[string]string
	list   []FieldDrift
}

func (d *comparison) value(path string, have, want any) {
	if reflect.DeepEqual(have, want) {
		return
	}
	switch w := want.(type) {
	case fields:
		if h, ok := have.(fields); ok {
			d.fields(path, h, w)
			return
		}
	case []any:
		if h, ok := have.([]any); ok && d.elements(path, h, w) {
			return
		}
	}
	f := FieldDrift{Path: path, By: d.by[path]}
	if !d.secret {
		f.Have, f.Want = d.text(have), d.text(want)
	}
	d.list = append(d.list, f)
}

func (d *comparison) fields(path string, have, want fields) {
	if path != "" {
		path += "."
	}
	all := maps.Clone(have)
	maps.Copy(all, want)
	for _, name := range sortedKeys(all) {
		d.value(path+name, have[name], want[name])
	}
}

// elements compares lists whose elements have names, or are as many; others are one value.
func (d *comparison) elements(path string, have, want []any) bool {
	h, w := named(have), named(want)
	if h == nil || w == nil {
		if len(have) != len(want) {
			return false
		}
		for i := range have {
			d.value(path+"["+strconv.Itoa(i)+"]", have[i], want[i])
		}
		return true
	}
	before := len(d.list)
	all := maps.Clone(h)
	maps.Copy(all, w)
	for _, name := range sortedKeys(all) {
		d.value(fmt.Sprintf("%s[name=%q]", path, name), h[name], w[name])
	}
	return len(d.list) > before // else their order is what differs
}

// named are the elements of a list by their names; nil when not each has one of its own.
func named(list []any) fields {
	by := fields{}
	for _, e := range list {
		f, _ := e.(fields)
		name := textAt(f, "name")
		if name == "" || by[name] != nil {
			return nil
		}
		by[name] = e
	}
	return by
}

func valueText(v any) string {
	if v == nil {
		return ""
	}
	return cut(wholeText(v))
}

func wholeText(v any) string {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(content)
}

func cut(text string) string {
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}

// within reports whether an object has all that is wanted of it, whatever else it has.
func within(want, have any) bool {
	switch w := want.(type) {
	case fields:
		h, _ := have.(fields)
		for name, v := range w {
			if !within(v, h[name]) {
				return false
			}
		}
		return true
	case []any:
		h, _ := have.([]any)
		if len(h) != len(w) {
			return false
		}
		for i := range w {
			if !within(w[i], h[i]) {
				return false
			}
		}
		return true
	}
	return fmt.Sprint(want) == fmt.Sprint(have)
}

func sortedKeys(m fields) []string { return slices.Sorted(maps.Keys(m)) }
