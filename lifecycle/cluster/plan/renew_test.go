package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
)

// Certificates are renewed one control plane after another, each proven before the next.
func TestRenew(t *testing.T) {
	t.Parallel()
	p, err := plan.Renew(input(t, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	if got := phases(p); !slices.Equal(got, []string{"roll: c1", "roll: c2", "roll: c3"}) {
		t.Errorf("%q", got)
	}
	keeps(t, p)
	for _, w := range p.Waves {
		if acts := w.Steps[0].Acts; acts[len(acts)-1].Kube == nil || acts[len(acts)-1].Kube.Do != cluster.CheckHealth {
			t.Errorf("%s does not prove that all is well", w.Steps[0].ID)
		}
	}
}

// What a host should have is what its preparation puts there: its files by their content,
// the definition's images and providers.
func TestExpect(t *testing.T) {
	t.Parallel()
	in := input(t, 1, 1)
	list, err := plan.Expect(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[1].Host != "w1" || len(list[1].Providers) != 1 || len(list[1].Compare.Images) != len(in.To.Images) {
		t.Fatalf("%+v", list)
	}
	paths := map[string]bool{}
	for _, f := range list[1].Compare.Files {
		if paths[f.Path] || f.Digest.Validate() != nil {
			t.Errorf("%s twice, or without a digest", f.Path)
		}
		paths[f.Path] = true
		if strings.HasPrefix(f.Path, "/etc/kubernetes/pki") {
			t.Errorf("%s: a secret is compared", f.Path)
		}
	}
	if !paths["/etc/containerd/config.toml"] {
		t.Errorf("%v", paths)
	}
}

// Other values are applied layer by layer, and touch no host.
func TestSet(t *testing.T) {
	t.Parallel()
	p, err := plan.Set(input(t, 1, 1), []string{"shop", "net"})
	if err != nil {
		t.Fatal(err)
	}
	if got := phases(p); !slices.Equal(got, []string{"gate: closure", "gate: pin", "add-ons: net", "add-ons: shop", "verify: cluster"}) {
		t.Errorf("%q", got)
	}
	keeps(t, p)
	for _, layers := range [][]string{nil, {"kube"}, {"other"}} {
		if _, err := plan.Set(input(t, 1, 1), layers); err == nil {
			t.Errorf("%q were taken", layers)
		}
	}
}
