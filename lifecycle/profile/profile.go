// Package profile is what an app owner models: a ClusterProfile, a versioned stack
// of layers with variables, read strictly from YAML. It reads profiles and the
// profiles that they include, and finds what is wrong in them without dialling
// anybody: charts and images are opened by who resolves it.
//
// Nouns. A layer is one part of the stack, of a type that says where in the order
// os, kubernetes, network, storage, addon it belongs. An included profile is a
// layer that stands for the layers of another profile. A place is a file and line. A
// problem is what is wrong at a place.
//
// The format's manual is docs/PROFILE.md.
package profile

import (
	"fmt"

	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/registry"
)

// What a profile's first fields say.
const (
	APIVersion = "landfall.dev/v1alpha1"
	Kind       = "ClusterProfile"
)

// Place is where something is written.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 1 is the first; 0: not known
}

// String is FILE:LINE.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Profile is a stack of layers, included profiles already in their place.
type Profile struct {
	Name        string // lower-case letters, digits, "-"
	Version     string // semantic version, without "v"
	Description string
	Annotations map[string]string
	Repository  string              // under which its definitions are stored; "": the default
	Platforms   []registry.Platform // empty: all that its images have
	Groups      []Group             // of variables, in the order in which they are shown
	Variables   []variable.Declaration
	Layers      []Layer  // in the order in which they are brought up
	Files       []Source // the profile's file first, then those of included ones
	Dir         string   // folder of the profile's file, from which relative paths are
}

// Group is a heading over variables.
type Group struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// Source is a file that a profile was read from.
type Source struct {
	Name    string
	Content []byte
}

// LayerType says where in the order a layer belongs.
type LayerType string

// The types, in their order.
const (
	OS         LayerType = "os"
	Kubernetes LayerType = "kubernetes"
	Network    LayerType = "network"
	Storage    LayerType = "storage"
	Addon      LayerType = "addon"
)

// Layer is one part of the stack.
type Layer struct {
	Name       string
	Type       LayerType
	Version    string   // what the owner calls it; may be empty
	From       string   // "NAME VERSION" of the included profile that it comes from; "": the profile itself
	DependsOn  []string // names of layers, which come up before it
	Platforms  []registry.Platform
	Namespace  string  // of what has none; "": default
	Distro     *Distro // type kubernetes
	Charts     []Chart
	Manifests  []Manifest
	Images     []Image
	Files      []File
	Providers  []Provider
	ImageRules []ImageRule // where images are in custom resources
	Ignore     []Ignore    // finds that are none
	Upgrade    Upgrade
	At         Place
}

// Distro is the Kubernetes that a layer is.
type Distro struct {
	Name    string // kubeadm, k3s
	Version string // without "v": 1.36.3, 1.36.3+k3s1
	At      Place
}

// Upgrade says how the layer is changed on a host.
type Upgrade struct {
	Policy string // inPlace, drain, reboot; "": by the layer's type (os: reboot, kubernetes: drain, else inPlace)
	Notes  string
}

// Chart is a Helm chart with its values. One of OCI, Repository and Path is set.
type Chart struct {
	OCI         string         // host/path of the chart, without oci:// and version
	Repository  string         // URL of a chart repository
	Path        string         // folder or archive, absolute or below the profile's folder
	Name        string         // in Repository; else what the chart has to call itself, if set
	Version     string         // exact; may be empty for a Path
	Release     string         // name of the release; "": the chart's name
	Namespace   string         // "": the layer's
	Values      map[string]any // inline ones, over those of ValueFiles
	ValueFiles  []ValueFile
	ValueSets   []ValueSet // rendered as well, to find images behind switches
	Tests       bool       // test hooks count too
	APIVersions []string   // that the cluster has beside Kubernetes' own: monitoring.coreos.com/v1
	At          Place
}

// ValueFile is a file of values, read.
type ValueFile struct {
	Path   string
	Values map[string]any
}

// ValueSet is values, over the chart's, that a site may choose.
type ValueSet struct {
	Name       string
	Values     map[string]any
	ValueFiles []ValueFile
	At         Place
}

// Manifest is Kubernetes objects in files. One of Path and Kustomize is set.
type Manifest struct {
	Path      string // file, or folder of *.yaml, *.yml, *.json
	Kustomize string // folder with a kustomization
	At        Place
}

// Image is an image that the owner declares.
type Image struct {
	Ref registry.Ref
	At  Place
}

// File is a file or folder that goes onto hosts.
type File struct {
	Path   string // here
	Target string // absolute path on the host; may be empty
	Mode   uint32 // permission bits; 0: as it is here
	At     Place
}

// Provider is a folder with what hosts need besides images; its paths are those on the
// host.
type Provider struct {
	Name      string
	Version   string
	Path      string              // here
	Platforms []registry.Platform // whose hosts it is for; empty: all
	At        Place
}

// ImageRule says where in objects of a kind images are.
type ImageRule struct {
	Kind string // "Prometheus" or "monitoring.coreos.com/Prometheus"
	Path string // "spec.image", "spec.containers[*].image"; of a text, or of fields registry, repository, tag, digest
	At   Place
}

// Ignore takes finds out again.
type Ignore struct {
	Image  string // glob over the normalized name without tag or digest
	Reason string
	At     Place
}
