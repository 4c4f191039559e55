// Package nodeconfig writes what a host's container runtime needs to know so
// that every image comes from the site under its original name, and nothing
// outside the site is dialled. It makes files only: it talks to no host, no
// runtime and no registry.
//
// Nouns. A kind is the program that is configured: containerd, docker, podman,
// k3s or rke2. The site is the registry that hosts pull from. An upstream is
// the host in an image's original name, "quay.io" of "quay.io/team/app:1"; it
// is a name here, never an address. A file has a path relative to the kind's
// configuration folder (Folder), with forward slashes.
package nodeconfig

import (
	"fmt"
	"io/fs"
)

// Kind names the program to configure.
type Kind string

// The kinds, as the command line spells them.
const (
	Containerd Kind = "containerd"
	Docker     Kind = "docker"
	Podman     Kind = "podman"
	K3s        Kind = "k3s"
	RKE2       Kind = "rke2"
)

// Kinds lists every kind in the order of the manual.
func Kinds() []Kind { return []Kind{Containerd, Docker, Podman, K3s, RKE2} }

// DefaultUpstreams are the upstreams that are configured when none are named.
func DefaultUpstreams() []string {
	return []string{"docker.io", "gcr.io", "ghcr.io", "mcr.microsoft.com", "public.ecr.aws", "quay.io", "registry.k8s.io"}
}

// Options says which site to pull from and for which names.
type Options struct {
	// Registry is the site's address as hosts reach it: http:// or https://
	// with a host and an optional port, no path.
	Registry string
	// Upstreams are the hosts of original names, with a port where the name
	// has one. Empty means DefaultUpstreams.
	Upstreams []string
	// CA is the PEM certificate that the site's certificate is checked with,
	// for https only. Empty means the host's own trust store.
	CA []byte
	// HostPaths says that the registry does not know of ?ns= and has original names as
	// paths, host included. Runtimes that cannot put a host into the path are a
	// *FieldError then: of the kinds, docker.
	HostPaths bool
	// Prefix stands before these paths: the project of a Harbor. It needs HostPaths.
	Prefix string
	// Login is base64 of USER:PASSWORD, or what is put in its place later. Files that
	// hold it are for root alone. For containerd, k3s and RKE2 only.
	Login string
}

// File is one configuration file. Its content is a pure function of kind and
// options.
type File struct {
	Path    string // relative to the kind's configuration folder
	Content []byte
	Mode    fs.FileMode
}

// FieldError is an option that cannot be used.
type FieldError struct {
	Field  string // "registry", "upstream", "ca", "prefix", "login" or "kind"
	Value  string
	Reason string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Reason) }

// Folder is where the files of a kind go on a host.
func Folder(kind Kind) string {
	return map[Kind]string{
		Containerd: "/etc/containerd/certs.d",
		Docker:     "/etc/docker",
		Podman:     "/etc/containers",
		K3s:        "/etc/rancher/k3s",
		RKE2:       "/etc/rancher/rke2",
	}[kind]
}

// Files returns the files that make programs of the kind pull from the site,
// sorted by path. An option that cannot be used is a *FieldError.
func Files(kind Kind, opts Options) ([]File, error) {
	s, err := newSite(opts)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == Docker && s.hostPaths:
		return nil, &FieldError{"kind", string(kind), "asks mirrors for docker.io alone, without its host in the path"}
	case (kind == Docker || kind == Podman) && s.login != "":
		return nil, &FieldError{"login", "…", string(kind) + " has logins by user: use its login command"}
	}
	switch kind {
	case Containerd:
		return containerdFiles(s), nil
	case Docker:
		return dockerFiles(s), nil
	case Podman:
		return podmanFiles(s), nil
	case K3s, RKE2:
		return rancherFiles(kind, s), nil
	}
	return nil, &FieldError{"kind", string(kind), "must be containerd, docker, podman, k3s or rke2"}
}
