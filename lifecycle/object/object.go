// Package object reads Kubernetes objects from YAML streams, each with the place
// that it was written at. It knows no kinds but lists, which it takes apart, and it
// checks nothing that a cluster would check.
//
// Nouns. A file is a YAML stream: a rendered template or a manifest. A document is
// what is between two "---" in it. A field's path is its keys with dots between
// them, elements of lists by number: "spec.template.spec.containers[0].image".
package object

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// File is YAML text, a rendered template or a manifest.
type File struct {
	Path    string // "app/templates/deployment.yaml"
	Content string
}

// Object is one Kubernetes object.
type Object struct {
	File     string
	Line     int // its first line in File
	Document int // number of its document in File, from 0; empty ones do not count
	ID       ID  // without a Kind for what is no object
	// Content is its fields: strings, bools, int64, float64, nil, []any and
	// map[string]any. It is nil for a document that is only a text or a number.
	Content map[string]any

	node   *yaml.Node // where Content was read from
	offset int        // of the lines in node
}

// ID is what may be there once in a cluster.
type ID struct {
	Group, Kind, Namespace, Name string
}

// String is "Deployment.apps default/web", without what is empty.
func (id ID) String() string {
	var b strings.Builder
	b.WriteString(id.Kind)
	if id.Group != "" {
		b.WriteString("." + id.Group)
	}
	if id.Namespace != "" || id.Name != "" {
		b.WriteByte(' ')
	}
	if id.Namespace != "" {
		b.WriteString(id.Namespace + "/")
	}
	b.WriteString(id.Name)
	return b.String()
}

// identify reads the ID from the fields that all objects have. An object that
// leaves its name to the cluster has the beginning of it, with a "*".
func identify(content map[string]any) ID {
	meta, _ := content["metadata"].(map[string]any)
	id := ID{Kind: text(content, "kind"), Namespace: text(meta, "namespace"), Name: text(meta, "name")}
	if group, _, ok := strings.Cut(text(content, "apiVersion"), "/"); ok {
		id.Group = group
	}
	if prefix := text(meta, "generateName"); id.Name == "" && prefix != "" {
		id.Name = prefix + "*"
	}
	return id
}

func text(fields map[string]any, name string) string {
	s, _ := fields[name].(string)
	return s
}
