// Package source is where a cluster's hosts pull from: the appliance's own registry, an
// external one, or a project of a Harbor. It knows how hosts reach it, and brings a
// definition with all that it reaches there, proven by digest. An upgrade never pulls
// from anywhere else.
//
// Nouns. The site is the appliance's own registry, from which content is brought. A
// target is a source that is not the site. Its path is what repositories there begin
// with: the project of a Harbor; behind it stands an image's whole original name, host
// included, so that "quay.io/team/app" is "edge/quay.io/team/app" in the project edge.
package source

import (
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Type is a kind of source.
type Type string

// The types.
const (
	Embedded Type = "embedded" // the appliance's registry
	External Type = "external" // a registry that has original names as paths
	Harbor   Type = "harbor"   // a project of a Harbor; a robot account writes to it
)

// Spec names a source. The zero value is the embedded registry.
type Spec struct {
	Type Type `json:"type"`
	// URL as hosts reach it, https://HOST[:PORT]; of the embedded registry it may be
	// empty: then it is the address at which the hosts' agents reach the appliance.
	URL     string `json:"url,omitempty"`
	Project string `json:"project,omitempty"` // of a Harbor
	Prefix  string `json:"prefix,omitempty"`  // of repositories of an external registry; empty: none
	// Username of an account, whose password is kept by the appliance apart from this.
	Username string `json:"username,omitempty"`
	CA       string `json:"ca,omitempty"` // PEM that its certificate is checked with; empty: what hosts and the appliance trust
}

// Own reports whether the source is the appliance's own registry.
func (s *Spec) Own() bool { return s.Type == Embedded || s.Type == "" }

// Path is what repositories at the source begin with; empty: nothing.
func (s *Spec) Path() string {
	if s.Type == Harbor {
		return s.Project
	}
	return s.Prefix
}

// Repository is what an original name is called there.
func (s *Spec) Repository(name string) string {
	return strings.TrimPrefix(s.Path()+"/"+registry.RepositoryPath(name), "/")
}

// Hosts is the source as hosts are told of it, without its password.
func (s *Spec) Hosts() host.Source {
	return host.Source{URL: s.URL, CA: []byte(s.CA), User: s.Username, Prefix: s.Path(), HostPaths: !s.Own()}
}

// String names the source for people.
func (s *Spec) String() string {
	switch {
	case s.Own():
		return "the appliance's registry"
	case s.Type == Harbor:
		return "project " + s.Project + " of the Harbor at " + s.URL
	case s.Prefix != "":
		return s.URL + "/" + s.Prefix
	}
	return s.URL
}
