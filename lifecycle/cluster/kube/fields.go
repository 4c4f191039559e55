package kube

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type fields = map[string]any

func asStatus(err error, to *apierrors.APIStatus) bool { return errors.As(err, to) }

// at is a field of an object, nil where there is none.
func at(o fields, path ...string) any {
	v, _, _ := unstructured.NestedFieldNoCopy(o, path...)
	return v
}

func textAt(o fields, path ...string) string {
	s, _ := at(o, path...).(string)
	return s
}

func numberAt(o fields, path ...string) int64 {
	switch n := at(o, path...).(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

func truthAt(o fields, path ...string) bool {
	b, _ := at(o, path...).(bool)
	return b
}

// listAt are the elements of a list that are objects.
func listAt(o fields, path ...string) (list []fields) {
	elements, _ := at(o, path...).([]any)
	for _, e := range elements {
		if f, ok := e.(fields); ok {
			list = append(list, f)
		}
	}
	return list
}

func textsAt(o fields, path ...string) map[string]string {
	m, _, _ := unstructured.NestedStringMap(o, path...)
	return m
}

// condition is the status of one of an object's conditions, with what it says.
func condition(o fields, kind string) (status, why string) {
	for _, c := range listAt(o, "status", "conditions") {
		if textAt(c, "type") == kind {
			return textAt(c, "status"), strings.TrimSpace(textAt(c, "reason") + " " + textAt(c, "message"))
		}
	}
	return "", ""
}
