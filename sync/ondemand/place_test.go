package ondemand

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/config"
)

// A tag belongs to the first mirror that chooses it, a digest to all of its
// repository; what Docker would complete to another name is nobody's.
func TestPlace(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("m.yaml", []byte(`version: 1
mirrors:
- {name: hub, source: [nginx, docker.io/team/**], onDemand: true}
- {name: released, source: 'localhost:5000/team/*', tags: {regex: 'v.*'}, onDemand: true, refresh: 1h}
- {name: rest, source: 'localhost:5000/**', tags: {exclude: 'secret.*'}, onDemand: true}
- {name: ahead, source: ahead.example/**}
- {name: off, source: off.example/**, onDemand: true, offline: true}
- {name: behind, source: off.example/**, onDemand: true}
`))
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{}
	u.SetConfig(cfg, nil)
	d := digest.FromString("x")
	signature := registry.SignatureTag(d)
	for _, c := range []struct {
		repository, tag string
		name, mirrors   string // "" for none
		refresh         time.Duration
	}{
		{repository: "docker.io/library/nginx", tag: "latest", name: "docker.io/library/nginx", mirrors: "hub", refresh: time.Minute},
		{repository: "docker.io/nginx", tag: "latest"},
		{repository: "nginx", tag: "latest"},
		{repository: "library/nginx", tag: "latest"},
		{repository: "docker.io/team", tag: "v1"},
		{repository: "docker.io/team/a/b", tag: "v1", name: "docker.io/team/a/b", mirrors: "hub", refresh: time.Minute},
		{repository: "localhost_5000/team/a", tag: "v1", name: "localhost:5000/team/a", mirrors: "released", refresh: time.Hour},
		{repository: "localhost_5000/team/a", tag: "x", name: "localhost:5000/team/a", mirrors: "rest", refresh: time.Minute},
		{repository: "localhost_5000/team/a", tag: "secret1"},
		{repository: "localhost:5000/team/a", name: "localhost:5000/team/a", mirrors: "released rest", refresh: time.Hour},
		{repository: "localhost_5000/team/a", tag: signature, name: "localhost:5000/team/a", mirrors: "released rest", refresh: time.Hour},
		{repository: "localhost_5000/TEAM", tag: "v1"},
		{repository: "localhost_5001/team/a", tag: "v1"},
		{repository: "ahead.example/a", tag: "v1"},
		{repository: "off.example/a", tag: "v1"},
		{repository: "off.example/a"},
	} {
		ref := registry.Ref{Repository: c.repository, Tag: c.tag}
		if c.tag == "" {
			ref.Digest = d
		}
		p, ok := u.place(ref)
		var names []string
		for _, m := range p.mirrors {
			names = append(names, m.Name)
		}
		if ok != (c.name != "") || p.repository != c.name && ok || strings.Join(names, " ") != c.mirrors || ok && p.refresh() != c.refresh {
			t.Errorf("%s: %t %q of %v", ref, ok, p.repository, names)
		}
	}
}
