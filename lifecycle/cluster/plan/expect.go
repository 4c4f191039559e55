package plan

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// Expected is what a host should have of a definition.
type Expected struct {
	Host      string
	Compare   host.Compare
	Providers []host.Provider
}

// Expect says what each host should have of the definition that its cluster runs.
func Expect(in Input) (list []Expected, err error) {
	m, err := newMaker(cluster.Form, in)
	if err != nil {
		return nil, err
	}
	for _, n := range m.setting.Nodes {
		acts, err := m.driver.Prepare(m.setting, n)
		if err != nil {
			return nil, err
		}
		e := Expected{Host: n.Name, Providers: driver.Providers(m.setting, n)}
		e.Compare = host.Compare{Files: sums(acts), Images: images(in.To, registry.PlatformString(n.Platform))}
		list = append(list, e)
	}
	return list, nil
}

// sums are the files that acts put on a host, each as the last one leaves it. Folders are
// left out: they are told by their archive only.
func sums(acts []cluster.Act) (list []host.FileSum) {
	for _, a := range acts {
		if a.Host == nil || a.Host.Op.Files == nil || a.Host.Fill == cluster.FillPKI || a.Host.Fill == cluster.FillJoin {
			continue
		}
		for _, f := range a.Host.Op.Files.Put {
			sum := host.FileSum{Path: f.Path, Digest: digest.FromBytes(f.Content)}
			if f.Blob != nil {
				sum.Digest = f.Blob.Digest
			}
			list = slices.DeleteFunc(list, func(old host.FileSum) bool { return old.Path == f.Path })
			if !f.Folder {
				list = append(list, sum)
			}
		}
		for _, path := range a.Host.Op.Files.Remove {
			list = slices.DeleteFunc(list, func(old host.FileSum) bool { return old.Path == path })
		}
	}
	return list
}
