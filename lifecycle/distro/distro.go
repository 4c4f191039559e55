// Package distro knows the images that Kubernetes itself is made of, by
// distribution and version, from tables that were made of the projects' own
// sources. It dials nobody, and it guesses nothing: an old tag of etcd is there in
// the registry as well as the right one, so that nothing on the connected side
// would notice a wrong guess, and a host on site would.
//
// Nouns. A distribution is how a cluster is brought up: kubeadm or k3s. A version
// is that of a release of it, without "v": 1.36.3, 1.36.3+k3s1. A component is what
// an image is for: kube-apiserver, etcd, klipper-lb.
package distro

import (
	"fmt"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
)

// Image is one of the images that a release needs.
type Image struct {
	Ref       registry.Ref
	Component string
	From      string // the table and the lines of the sources that it was made of
}

// distribution is one table.
type distribution struct {
	name     string
	versions []string                            // ascending
	images   func(version string) []Image        // of one of versions
	cure     func(version string) (where string) // who lists the images of a version that is not here
}

// Distributions are the names that Images knows.
func Distributions() []string { return []string{k3s, kubeadm} }

func open(name string) (*distribution, error) {
	switch name {
	case k3s:
		return openK3s()
	case kubeadm:
		return openKubeadm()
	}
	return nil, fmt.Errorf("%w: distribution %.40q: known are %s; for others declare the images under images of the layer",
		registry.ErrNotFound, name, strings.Join(Distributions(), " and "))
}

// Versions are those of a distribution that Images knows, ascending; none of a
// distribution that it does not know.
func Versions(distribution string) []string {
	d, err := open(distribution)
	if err != nil {
		return nil
	}
	return slices.Clone(d.versions)
}

// Images are those that a release of a distribution runs as it comes: what its own
// tools would pull, in their order. With a version or distribution that is in no
// table it is ErrNotFound, names those that are near, and says who lists them.
func Images(distribution, version string) ([]Image, error) {
	d, err := open(distribution)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(d.versions, version) {
		return nil, fmt.Errorf("%w: images of %s %.40q: the tables here have %s; %s, declare them under images of the layer",
			registry.ErrNotFound, distribution, version, strings.Join(near(d.versions, version), ", "), d.cure(version))
	}
	return d.images(version), nil
}

// near are the versions of the same minor, or else the newest of each.
func near(versions []string, wanted string) (list []string) {
	newest := map[string]string{}
	for _, v := range versions {
		newest[minor(v)] = v
		if minor(v) == minor(strings.TrimPrefix(wanted, "v")) {
			list = append(list, v)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, v := range newest {
		list = append(list, v)
	}
	slices.SortFunc(list, version.Compare)
	return list
}

// minor is "1.36" of 1.36.3.
func minor(v string) string {
	parts := strings.SplitN(v, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// lines calls read with each line of a table that is neither empty nor a comment,
// and its number.
func lines(table, name string, read func(number int, line string) error) error {
	number := 0
	for line := range strings.Lines(table) {
		number++
		line = strings.TrimRight(line, "\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := read(number, line); err != nil {
			return fmt.Errorf("%w: %s:%d: %w", registry.ErrInvalid, name, number, err)
		}
	}
	return nil
}
