// Package definition is a profile resolved and locked: a ClusterDefinition, the
// document that lists every image, chart, manifest and file by digest, with the
// reason why it is there. It is data with one canonical form (Marshal, Parse), a
// signature over that form, and the OCI artifact that carries it with its charts,
// manifests and files. It resolves nothing and dials nobody.
//
// Nouns. The document is the canonical YAML. A part is a chart, manifest or file that
// the artifact carries as a layer. An item is an image or a part. The closure is all
// digests that the items reach.
package definition

import (
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/lifecycle/profile"
	"github.com/landfall-dev/landfall/lifecycle/variable"
)

// What a document's first fields say.
const (
	APIVersion = "landfall.dev/v1alpha1"
	Kind       = "ClusterDefinition"
)

// Media types of the artifact and of its layers, beside those of Helm.
const (
	ArtifactType  = "application/vnd.landfall.definition.v1alpha1"
	TypeDocument  = "application/vnd.landfall.definition.document.v1alpha1+yaml"
	TypeManifest  = "application/vnd.landfall.definition.manifest.v1alpha1+yaml"
	TypeKustomize = "application/vnd.landfall.definition.kustomize.v1alpha1.tar+gzip" // the folder as it is
	TypeFile      = "application/vnd.landfall.definition.file.v1alpha1"
	TypeFolder    = "application/vnd.landfall.definition.folder.v1alpha1.tar+gzip"
	TypeProvider  = "application/vnd.landfall.definition.provider.v1alpha1.tar+gzip"
	TypeChart     = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// DefaultRepository and "/NAME" is where a definition is stored whose profile names no
// other place.
const DefaultRepository = "definitions.landfall.dev"

// Definition is the document.
type Definition struct {
	APIVersion  string                 `json:"apiVersion"`
	Kind        string                 `json:"kind"`
	Name        string                 `json:"name"`
	Version     string                 `json:"version"` // semantic, without "v"
	Description string                 `json:"description,omitempty"`
	Annotations map[string]string      `json:"annotations,omitempty"`
	Repository  string                 `json:"repository"` // that its artifact is stored in, HOST/PATH
	Profile     digest.Digest          `json:"profile"`    // of the profile's files, in order, one after another
	Platforms   []string               `json:"platforms"`  // os/arch[/variant] that it is for, ascending
	Kubernetes  *Kubernetes            `json:"kubernetes,omitempty"`
	Groups      []profile.Group        `json:"groups,omitempty"`
	Variables   []variable.Declaration `json:"variables,omitempty"`
	Layers      []Layer                `json:"layers"`
	Images      []Image                `json:"images"`           // ascending by name
	Unused      []string               `json:"unused,omitempty"` // images that the profile declares and nothing that was rendered uses; ascending
	Left        []Left                 `json:"left,omitempty"`   // what looked like an image and was left out, and why
}

// Kubernetes is the distribution.
type Kubernetes struct {
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
}

// Layer is a layer of the profile, with its parts by digest.
type Layer struct {
	Name      string            `json:"name"`
	Type      profile.LayerType `json:"type"`
	Version   string            `json:"version,omitempty"`
	From      string            `json:"from,omitempty"` // "NAME VERSION" of the profile that it comes from
	DependsOn []string          `json:"dependsOn,omitempty"`
	Platforms []string          `json:"platforms,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Upgrade   Upgrade           `json:"upgrade"`
	Charts    []Chart           `json:"charts,omitempty"`
	Manifests []Part            `json:"manifests,omitempty"`
	Files     []Part            `json:"files,omitempty"`
	Providers []Provider        `json:"providers,omitempty"`
	Images    []string          `json:"images,omitempty"` // that it declares, normalized
}

// Upgrade says how the layer is changed on a host.
type Upgrade struct {
	Policy string `json:"policy"` // inPlace, drain, reboot
	Notes  string `json:"notes,omitempty"`
}

// Part is a blob that the artifact carries.
type Part struct {
	Path      string        `json:"path"` // as the profile says it
	MediaType string        `json:"mediaType"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	Target    string        `json:"target,omitempty"` // of a file, on the host
	Mode      uint32        `json:"mode,omitempty"`   // of a file, permission bits
}

// Provider is what a host needs besides images: programs, plugins, units. It is a folder
// whose paths are those on the host.
type Provider struct {
	Name      string        `json:"name"` // a DNS label; those of one name are versions of the same
	Version   string        `json:"version,omitempty"`
	Platforms []string      `json:"platforms,omitempty"` // whose hosts it is for; none: all
	Path      string        `json:"path"`                // as the profile says it
	Digest    digest.Digest `json:"digest"`              // of the folder's tar+gzip, of TypeProvider
	Size      int64         `json:"size"`
}

// Part is the provider as a blob that the artifact carries.
func (p *Provider) Part() Part {
	return Part{Path: p.Path, MediaType: TypeProvider, Digest: p.Digest, Size: p.Size}
}

// Chart is a chart with its values, placeholders left in.
type Chart struct {
	Name        string         `json:"name"`
	Version     string         `json:"version"`
	Release     string         `json:"release"`
	Namespace   string         `json:"namespace"`
	Origin      chart.Origin   `json:"origin"`
	Digest      digest.Digest  `json:"digest"` // of the archive
	Size        int64          `json:"size"`
	Values      map[string]any `json:"values,omitempty"`
	ValueSets   []ValueSet     `json:"valueSets,omitempty"`
	APIVersions []string       `json:"apiVersions,omitempty"`
}

// ValueSet is values that a site may choose.
type ValueSet struct {
	Name   string         `json:"name"`
	Values map[string]any `json:"values,omitempty"`
}

// Image is an image by digest, with all that it reaches.
type Image struct {
	Name      string        `json:"name"`                // normalized, as hosts pull it: registry.k8s.io/pause:3.10
	Digest    digest.Digest `json:"digest"`              // of the index, or of the one manifest
	Platforms []string      `json:"platforms"`           // that are carried, ascending; empty for what is no image
	Manifests []Manifest    `json:"manifests"`           // that it reaches, ascending by digest; the root is one
	Sure      find.Sure     `json:"sure"`                // the best of its reasons
	Confirmed bool          `json:"confirmed,omitempty"` // it was doubtful, and the registry has it
	Why       []Reason      `json:"why"`
}

// Manifest is one manifest of an image's closure.
type Manifest struct {
	Digest    digest.Digest `json:"digest"`
	MediaType string        `json:"mediaType"`
	Size      int64         `json:"size"`               // bytes
	Platform  string        `json:"platform,omitempty"` // whose hosts need it; empty: all
	Tag       string        `json:"tag,omitempty"`      // of a signature that cosign keeps under a tag
	Subject   digest.Digest `json:"subject,omitempty"`  // of a referrer
	Blobs     []Blob        `json:"blobs,omitempty"`
}

// Blob is a config or layer.
type Blob struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"` // bytes
}

// Reason is why an image is there.
type Reason struct {
	Layer  string    `json:"layer"`
	Chart  string    `json:"chart,omitempty"` // NAME VERSION
	Set    string    `json:"set,omitempty"`   // value set with which it was rendered; empty: the chart's values
	File   string    `json:"file,omitempty"`  // template, manifest or file of the chart; the profile
	Line   int       `json:"line,omitempty"`
	Object string    `json:"object,omitempty"` // "Deployment default/web"
	Field  string    `json:"field,omitempty"`
	Rule   string    `json:"rule"`
	Sure   find.Sure `json:"sure"`
}

// Left is what looked like an image and was left out.
type Left struct {
	Text string `json:"text"`
	Why  string `json:"why"`
	Reason
}
