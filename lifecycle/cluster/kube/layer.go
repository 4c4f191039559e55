package kube

import "github.com/landfall-dev/landfall/lifecycle/object"

// Layer is the objects of a definition's layer, rendered for a cluster.
type Layer struct {
	Name       string // of the layer
	Definition string // NAME:VERSION
	Units      []Unit // in order
}

// Unit is a chart, or the manifests, of a layer.
type Unit struct {
	Release   string              // of a chart; empty: manifests
	Namespace string              // of objects that say none; it is made when it is not there
	Files     []object.File       // YAML
	Hooks     map[string][]string // as render.Rendered has them
}
