package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// scaled is the input of a cluster that is scaled from one number of hosts by adding and
// removing some. Those in away are dead.
func scaled(t *testing.T, controls, workers int, r plan.Resize, away ...string) (plan.Input, plan.Was, error) {
	t.Helper()
	in := input(t, controls, workers)
	was := plan.Was{Spec: in.Spec, Hosts: slices.Clone(in.Hosts)}
	for i := range was.Hosts {
		was.Hosts[i].Online = !slices.Contains(away, was.Hosts[i].Name)
	}
	now, err := r.Apply(was.Spec)
	if err != nil {
		return in, was, err
	}
	content, err := now.Document()
	if err != nil {
		t.Fatal(err)
	}
	if now, err = cluster.Parse("c.yaml", content); err != nil {
		return in, was, err
	}
	in.Spec, in.Hosts = plan.Ordered(was.Spec, now), nil
	for i, name := range in.Spec.Hosts() {
		h := host.Host{Name: name, Address: fmt.Sprintf("10.0.2.%d", i+1), Online: !slices.Contains(away, name), Inventory: host.Inventory{Platform: platform}}
		if old := slices.IndexFunc(was.Hosts, func(h host.Host) bool { return h.Name == name }); old >= 0 {
			h = was.Hosts[old]
		}
		in.Hosts = append(in.Hosts, h)
	}
	return in, was, nil
}

func add(names ...string) (list []plan.Added) {
	for _, text := range names {
		name, pool, _ := strings.Cut(text, "=")
		list = append(list, plan.Added{Host: name, Pool: pool})
	}
	return list
}

const begin = "gate: closure\ngate: pin\n"

func TestScale(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		controls, workers int
		resize            plan.Resize
		away              []string
		force             bool
		want              string
	}{
		"workers join": {1, 1, plan.Resize{Add: add("w2", "w3")}, nil, false,
			begin + "preflight: w2 w3 c1 w1\npreflight: compare\ninstall: w2 w3\nstage: w2 w3\njoin: w2 w3\nverify: cluster"},
		"one leaves and one comes": {1, 2, plan.Resize{Add: add("w3"), Remove: []string{"w1"}}, nil, false,
			begin + "preflight: w3 c1 w2\npreflight: compare\ninstall: w3\nstage: w3\njoin: w3\nleave: w1\nverify: cluster"},
		"a dead control plane is replaced": {3, 0, plan.Resize{Add: add("c4=control-plane"), Remove: []string{"c1"}}, []string{"c1"}, true,
			begin + "preflight: c4 c2 c3\npreflight: compare\nleave: c1\ninstall: c4\nstage: c4\njoin: c4\nverify: cluster"},
		"a living one is replaced": {3, 0, plan.Resize{Add: add("c4=control-plane"), Remove: []string{"c3"}}, nil, false,
			begin + "preflight: c4 c1 c2\npreflight: compare\ninstall: c4\nstage: c4\njoin: c4\nleave: c3\nverify: cluster"},
		"three become one": {3, 1, plan.Resize{Remove: []string{"c1", "c3"}}, nil, false,
			begin + "leave: c1\nleave: c3\nverify: cluster"},
		"a dead worker leaves": {1, 2, plan.Resize{Remove: []string{"w2"}}, []string{"w2"}, true,
			begin + "leave: w2\nverify: cluster"},
	} {
		in, was, err := scaled(t, c.controls, c.workers, c.resize, c.away...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := plan.Scale(in, was, c.force)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(phases(p), "\n"); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
		keeps(t, p)
		scales(t, p, c.away)
	}
}

// scales proves what plans that scale keep to: nobody asks a dead host for anything, a
// host that leaves is empty before it goes out of the cluster and is cleaned after, and
// is let go of last.
func scales(t *testing.T, p *cluster.Plan, dead []string) {
	t.Helper()
	for _, w := range p.Waves {
		for _, s := range w.Steps {
			var did []string
			for _, a := range s.Acts {
				switch {
				case a.Host != nil:
					did = append(did, a.Host.Op.Kind())
					if slices.Contains(dead, a.Host.Host) {
						t.Errorf("%s asks %s, which is dead", s.ID, a.Host.Host)
					}
					for _, peer := range checkOf(a.Host.Op).Peers {
						if slices.Contains(dead, peer.Name) {
							t.Errorf("%s wants to reach %s, which is dead", s.ID, peer.Name)
						}
					}
				case a.Kube != nil:
					did = append(did, string(a.Kube.Do))
				case a.Site != nil:
					did = append(did, string(a.Site.Do))
				}
			}
			if w.Phase != cluster.Leaving {
				continue
			}
			want := "remove-node release-host"
			if strings.HasPrefix(s.Host, "c") {
				want = "etcd member remove " + s.Host + " " + want
			}
			if !slices.Contains(dead, s.Host) {
				want = "evacuate " + strings.Replace(want, "release-host", "clean release-host", 1)
			}
			if got := strings.Join(did, " "); got != want {
				t.Errorf("%s does %q, want %q", s.ID, got, want)
			}
		}
	}
}

func checkOf(op host.Op) host.Check {
	if op.Check == nil {
		return host.Check{}
	}
	return *op.Check
}

func TestScaleRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		controls, workers int
		resize            plan.Resize
		away              []string
		force             bool
		want              string
		kind              error
	}{
		"the last control plane":             {1, 1, plan.Resize{Add: add("c2=control-plane"), Remove: []string{"c1"}}, nil, false, "no host of its control plane", registry.ErrConflict},
		"none at all":                        {1, 1, plan.Resize{Remove: []string{"c1"}}, nil, false, "want 1, 3 or 5", registry.ErrInvalid},
		"two control planes":                 {1, 1, plan.Resize{Add: add("c2=control-plane")}, nil, false, "2 hosts: want 1, 3 or 5", registry.ErrInvalid},
		"three without a virtual address":    {1, 1, plan.Resize{Add: add("c2=control-plane", "c3=control-plane")}, nil, false, "virtualAddress", registry.ErrInvalid},
		"a dead one, without force":          {3, 0, plan.Resize{Add: add("c4=control-plane"), Remove: []string{"c1"}}, []string{"c1"}, false, "--force", registry.ErrUnreachable},
		"no majority is left":                {3, 0, plan.Resize{Add: add("c4=control-plane"), Remove: []string{"c1"}}, []string{"c1", "c2"}, true, "1 of 3 members of etcd", registry.ErrConflict},
		"no majority would be left":          {5, 0, plan.Resize{Remove: []string{"c3", "c4"}}, []string{"c1", "c2"}, false, "without c3, 2 of 4", registry.ErrConflict},
		"a host that joins is away":          {1, 1, plan.Resize{Add: add("w2")}, []string{"w2"}, true, "host w2", registry.ErrUnreachable},
		"nothing changes":                    {1, 1, plan.Resize{}, nil, false, "already", registry.ErrConflict},
		"a host that is not there":           {1, 1, plan.Resize{Remove: []string{"w9"}}, nil, false, "no such host", registry.ErrNotFound},
		"a host of it already, in two pools": {1, 1, plan.Resize{Add: add("w1=other")}, nil, false, "named twice", registry.ErrInvalid},
	} {
		in, was, err := scaled(t, c.controls, c.workers, c.resize, c.away...)
		if err == nil {
			_, err = plan.Scale(in, was, c.force)
		}
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With a virtual address, one control plane becomes three, one after another.
func TestScaleControlPlane(t *testing.T) {
	t.Parallel()
	in := input(t, 1, 0)
	in.Spec.Network.VirtualAddress = "10.0.0.9"
	in.To.Images = append(in.To.Images, vip())
	was := plan.Was{Spec: in.Spec, Hosts: slices.Clone(in.Hosts)}
	in.Spec = in.Spec.Clone()
	for _, name := range []string{"c2", "c3"} {
		in.Spec.ControlPlane.Hosts = slices.Insert(in.Spec.ControlPlane.Hosts, len(in.Spec.ControlPlane.Hosts)-1, name)
		in.Hosts = append(in.Hosts, host.Host{Name: name, Address: "10.0.1." + name[1:], Online: true, Inventory: host.Inventory{Platform: platform}})
	}
	in.Spec = plan.Ordered(was.Spec, in.Spec)
	p, err := plan.Scale(in, was, false)
	if err != nil {
		t.Fatal(err)
	}
	keeps(t, p)
	if got := strings.Join(phases(p), "\n"); !strings.Contains(got, "join: c2\njoin: c3\nverify") {
		t.Errorf("%s", got)
	}
	for _, w := range p.Waves {
		for _, s := range w.Steps {
			for _, a := range s.Acts {
				if a.Host != nil && a.Host.Op.Kubeadm != nil && a.Host.Op.Kubeadm.Step != host.Join {
					t.Errorf("%s begins another cluster: %s", s.ID, a.Host.Op.Kind())
				}
			}
		}
	}
}

// Labels and taints of a pool go to its nodes, and nobody is touched otherwise; what else
// a document changes is refused with the field.
func TestScalePools(t *testing.T) {
	t.Parallel()
	in := input(t, 1, 2)
	was := plan.Was{Spec: in.Spec, Hosts: in.Hosts}
	in.Spec = in.Spec.Clone()
	in.Spec.Workers[0].Labels = map[string]string{"zone": "a"}
	p, err := plan.Scale(in, was, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(phases(p), "\n"); got != begin+"label: w1 w2\nverify: cluster" {
		t.Errorf("%s", got)
	}
	keeps(t, p)
	for want, change := range map[string]func(s *cluster.Spec){
		"metadata.name":  func(s *cluster.Spec) { s.Name = "other" },
		"spec.network":   func(s *cluster.Spec) { s.Network.Pods = "10.9.0.0/16" },
		"spec.variables": func(s *cluster.Spec) { s.Variables = map[string]any{"a": 1} },
		"spec.kubeadm":   func(s *cluster.Spec) { s.Kubeadm.Kubelet = map[string]any{"maxPods": 9} },
	} {
		other := in
		other.Spec = in.Spec.Clone()
		change(other.Spec)
		if _, err := plan.Scale(other, was, false); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A host of a run that stopped is cleaned before it is checked again; one that is not
// wanted any more leaves.
func TestScaleAgain(t *testing.T) {
	t.Parallel()
	in, was, err := scaled(t, 1, 1, plan.Resize{Add: add("w2")})
	if err != nil {
		t.Fatal(err)
	}
	w3 := host.Host{Name: "w3", Address: "10.0.3.3", Online: true, Inventory: host.Inventory{Platform: platform}}
	was.Hosts = append(was.Hosts, in.Hosts[2], w3) // w2 and w3 were begun with
	p, err := plan.Scale(in, was, false)
	if err != nil {
		t.Fatal(err)
	}
	keeps(t, p)
	if got := strings.Join(phases(p), "\n"); !strings.Contains(got, "leave: w3") {
		t.Errorf("%s", got)
	}
	if got := strings.Join(phases(p), "\n"); !strings.HasPrefix(got, begin+"clean-up: w2\npreflight: w2 c1 w1\n") || p.Waves[2].Steps[0].Acts[0].Host.Op.Clean == nil {
		t.Errorf("%s", got)
	}
}

func vip() definition.Image {
	return definition.Image{Name: "ghcr.io/kube-vip/kube-vip:v1.0.0", Digest: sum("vip"), Platforms: []string{platform}}
}
