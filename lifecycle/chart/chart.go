// Package chart opens Helm charts and folders of manifests where profiles say that
// they are, safely: nothing is read from outside of the chart, and an archive that
// tries is named. It neither renders nor chooses versions by range.
//
// Nouns. A chart's archive is a .tgz as "helm package" makes it, with one folder at its
// top. A subchart is a chart in the folder charts of another, as a folder or an archive.
// A dependency is a chart that another one names in its Chart.yaml. A pack is a folder
// as one archive that is the same for the same files.
package chart

import "github.com/landfall-dev/landfall/registry"

// The media types of a chart in a registry (Helm, "Use OCI-based registries").
const (
	TypeConfig  = "application/vnd.cncf.helm.config.v1+json"
	TypeContent = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Chart is a chart as it is carried: one archive with all its subcharts.
type Chart struct {
	Name        string
	Version     string
	AppVersion  string
	KubeVersion string              // which it says it needs, a range; may be empty
	Archive     []byte              // .tgz as "helm package" makes it; of a folder: the same for the same files
	Descriptor  registry.Descriptor // of Archive
	Origin      Origin
	// Files are what find.Chart reads: Chart.yaml, Chart.lock, Images.lock and the
	// like, of subcharts too; by path in the archive, "app/charts/db-1.0.0.tgz/db/Chart.yaml".
	Files map[string][]byte
}

// Origin says where a chart came from.
type Origin struct {
	OCI        string `json:"oci,omitempty"`        // host/path:version
	Digest     string `json:"digest,omitempty"`     // of the manifest there
	Repository string `json:"repository,omitempty"` // URL
	Path       string `json:"path,omitempty"`       // as the profile says it
}
