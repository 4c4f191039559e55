// Package source is where a cluster's hosts pull from: the appliance's own registry, an
// external one, or a project of a Harbor. It knows how hosts reach it, and brings a
// definition with all that it reaches there, proven by digest. An upgrade never pulls
// from anywhere else.
package source

// Type is a kind of source.
type Type string

// The types.
const (
	Embedded Type = "embedded" // the appliance's registry
	External Type = "external" // a registry that keeps original names as paths, like the appliance
	Harbor   Type = "harbor"   // a project of a Harbor; a robot account writes to it
)

// Spec names a source. The zero value is the embedded registry.
type Spec struct {
	Type Type `json:"type"`
	// URL as hosts reach it, https://HOST[:PORT]; of the embedded registry it may be
	// empty: then it is the address at which the hosts' agents reach the appliance.
	URL     string `json:"url,omitempty"`
	Project string `json:"project,omitempty"` // of a Harbor
	// Username of an account, whose password is kept by the appliance apart from this.
	Username string `json:"username,omitempty"`
	CAFile   string `json:"caFile,omitempty"` // PEM that its certificate is checked with, read when the cluster is made
	CA       string `json:"ca,omitempty"`     // the same, inline
}
