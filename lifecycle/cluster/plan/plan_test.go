package plan_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
)

const platform = "linux/amd64"

func sum(text string) digest.Digest { return digest.FromString(text) }

// edge is a definition with a provider, a network and an application.
func edge(version, kubernetes, app string) *definition.Definition {
	image := func(name string) definition.Image {
		return definition.Image{Name: name, Digest: sum(name), Platforms: []string{platform},
			Manifests: []definition.Manifest{{Digest: sum(name), Platform: platform, Blobs: []definition.Blob{{Digest: sum(name + " layer"), Size: 100}}}}}
	}
	return &definition.Definition{Name: "edge", Version: version, Platforms: []string{platform}, Kubernetes: &definition.Kubernetes{Distribution: "kubeadm", Version: kubernetes},
		Images: []definition.Image{image("example.test/app:" + app), image("registry.k8s.io/kube-apiserver:v" + kubernetes), image("registry.k8s.io/pause:3.10")},
		Layers: []definition.Layer{
			{Name: "kube", Type: "kubernetes", Upgrade: definition.Upgrade{Policy: "drain"}, Providers: []definition.Provider{{Name: "kubernetes", Version: kubernetes, Digest: sum(kubernetes), Size: 10}}},
			{Name: "net", Type: "network", Manifests: []definition.Part{{Path: "net.yaml", Digest: sum("net")}}},
			{Name: "shop", Type: "addon", Manifests: []definition.Part{{Path: "shop.yaml", Digest: sum("shop " + app)}}, Upgrade: definition.Upgrade{Notes: "Carts are lost."}},
		}}
}

func input(t *testing.T, controls, workers int) plan.Input {
	t.Helper()
	in := plan.Input{To: edge("1.0.0", "1.35.4", "1"), ToRef: registry.Ref{Repository: "definitions.landfall.dev/edge", Tag: "1.0.0"}, Source: host.Source{URL: "https://10.0.0.1:5443"}}
	names := func(kind string, n int) (list []string) {
		for i := range n {
			name := fmt.Sprintf("%s%d", kind, i+1)
			list = append(list, name)
			in.Hosts = append(in.Hosts, host.Host{Name: name, Address: fmt.Sprintf("10.0.1.%d", len(in.Hosts)+1), Online: true, Inventory: host.Inventory{Platform: platform}})
		}
		return list
	}
	document := "apiVersion: landfall.dev/v1alpha1\nkind: Cluster\nmetadata: {name: shop}\nspec:\n  definition: edge:1.0.0\n  controlPlane: {hosts: [" + strings.Join(names("c", controls), ", ") + "]}\n"
	if workers > 0 {
		document += "  workers: [{name: w, hosts: [" + strings.Join(names("w", workers), ", ") + "]}]\n"
	}
	if controls > 1 {
		document += "  network: {virtualAddress: 10.0.0.9}\n"
		in.To.Images = append(in.To.Images, definition.Image{Name: "ghcr.io/kube-vip/kube-vip:v1.0.0", Digest: sum("vip"), Platforms: []string{platform}})
	}
	var err error
	if in.Spec, err = cluster.Parse("c.yaml", []byte(document)); err != nil {
		t.Fatal(err)
	}
	return in
}

// phases are the steps of a plan in short, a wave in each text.
func phases(p *cluster.Plan) (list []string) {
	for _, w := range p.Waves {
		var steps []string
		for _, s := range w.Steps {
			steps = append(steps, strings.TrimPrefix(s.ID, string(w.Phase)+"-"))
		}
		list = append(list, string(w.Phase)+": "+strings.Join(steps, " "))
	}
	return list
}

func TestForm(t *testing.T) {
	t.Parallel()
	p, err := plan.Form(input(t, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gate: closure", "gate: pin", "preflight: c1 c2 c3 w1 w2", "preflight: compare", "install: c1 c2 c3 w1 w2", "stage: c1 c2 c3 w1 w2",
		"control-plane: c1", "join: c2", "join: c3", "join: w1 w2", "add-ons: net", "add-ons: add-ons.nodes", "add-ons: shop", "verify: cluster", "finish: settle",
	}
	if got := phases(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	keeps(t, p)
}

func upgrade(t *testing.T, controls, workers int, to *definition.Definition) plan.Input {
	t.Helper()
	in := input(t, controls, workers)
	in.From, in.FromRef = in.To, in.ToRef
	in.To, in.ToRef = to, registry.Ref{Repository: "definitions.landfall.dev/edge", Tag: to.Version}
	return in
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	in := upgrade(t, 1, 3, edge("2.0.0", "1.36.3", "2"))
	in.Spec.Upgrade.Wave = 2
	p, err := plan.Upgrade(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"gate: closure", "gate: pin", "stage: c1 w1 w2 w3", "backup: etcd", "roll: c1", "roll: w1 w2", "roll: w3", "add-ons: shop", "verify: cluster", "finish: c1 w1 w2 w3", "finish: settle"}
	if got := phases(p); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	again, err := plan.Upgrade(in)
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Errorf("the same input makes another plan: %v", err)
	}
	keeps(t, p)
}

// The content is at a cluster's own source before any host is touched, that of what runs
// too, unless it is left.
func TestSource(t *testing.T) {
	t.Parallel()
	staged := func(p *cluster.Plan, err error) (list []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range p.Waves {
			for _, a := range w.Steps[0].Acts {
				if a.Host != nil {
					return list
				}
				if a.Site != nil && a.Site.Do == cluster.StageSource {
					list = append(list, a.Site.Definition)
				}
			}
		}
		return list
	}
	harbor := func(in plan.Input) plan.Input {
		in.Spec.Source = source.Spec{Type: source.Harbor, URL: "https://harbor.example", Project: "edge", Username: "robot$edge"}
		in.Source = in.Spec.Source.Hosts()
		return in
	}
	to := edge("1.1.0", "1.35.4", "2")
	if got := staged(plan.Form(harbor(input(t, 1, 1)))); !slices.Equal(got, []string{"edge:1.0.0"}) {
		t.Errorf("form: %q", got)
	}
	for name, make := range map[string]func(plan.Input) (*cluster.Plan, error){"upgrade": plan.Upgrade, "stage": plan.Stage} {
		if got := staged(make(harbor(upgrade(t, 1, 1, to)))); !slices.Equal(got, []string{"edge:1.0.0", "edge:1.1.0"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := staged(plan.Rollback(harbor(upgrade(t, 1, 1, to)), false)); !slices.Equal(got, []string{"edge:1.1.0"}) {
		t.Errorf("rollback: %q", got)
	}
	if got := staged(plan.Form(input(t, 1, 1))); got != nil {
		t.Errorf("the appliance's own registry: %q", got)
	}
}

// An upgrade that changes nothing on hosts does not touch them.
func TestUpgradeOfLayersOnly(t *testing.T) {
	t.Parallel()
	p, err := plan.Upgrade(upgrade(t, 1, 1, edge("1.1.0", "1.35.4", "2")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.Waves {
		if w.Phase == cluster.Roll || w.Phase == cluster.Backup {
			t.Errorf("%q", phases(p))
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	reboot := edge("2.0.0", "1.35.4", "1")
	reboot.Layers = append(reboot.Layers, definition.Layer{Name: "os", Type: "os", Upgrade: definition.Upgrade{Policy: "reboot"}, Files: []definition.Part{{Target: "/etc/x", Digest: sum("x")}}})
	for name, c := range map[string]struct {
		to   *definition.Definition
		want string
	}{
		"two minors": {edge("2.0.0", "1.37.2", "1"), "1.36 first"},
		"back":       {edge("0.9.0", "1.34.1", "1"), "older than"},
		"same":       {edge("1.0.0", "1.35.4", "1"), "already"},
		"reboot":     {reboot, "reboot"},
	} {
		_, err := plan.Upgrade(upgrade(t, 1, 1, c.to))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := input(t, 1, 1)
	in.Hosts[1].Inventory.Platform = "linux/arm64"
	if _, err := plan.Form(in); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "w1") {
		t.Errorf("another platform: %v", err)
	}
	in = input(t, 1, 1)
	in.Hosts[0].Address = ""
	if _, err := plan.Form(in); !errors.Is(err, registry.ErrUnreachable) {
		t.Errorf("a host that was never heard of: %v", err)
	}
}

// Across a minor, workers go back first, and the control plane by the snapshot, when
// somebody says so.
func TestRollback(t *testing.T) {
	t.Parallel()
	in := upgrade(t, 1, 1, edge("2.0.0", "1.36.3", "2"))
	in.From, in.To, in.FromRef, in.ToRef = in.To, in.From, in.ToRef, in.FromRef
	if _, err := plan.Rollback(in, false); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "--restore-snapshot") {
		t.Errorf("without leave: %v", err)
	}
	p, err := plan.Rollback(in, true)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(phases(p), "\n")
	if !strings.Contains(got, "roll: w1\ncontrol-plane: restore\nadd-ons: shop") {
		t.Errorf("%s", got)
	}
	in = upgrade(t, 1, 1, edge("1.1.0", "1.35.4", "broken"))
	in.From, in.To = in.To, in.From
	if p, err = plan.Rollback(in, false); err != nil {
		t.Fatal(err)
	}
	keeps(t, p)
}

// k3s goes back across a minor version by its own snapshot, which an upgrade makes before
// it touches anything.
func TestRollbackK3s(t *testing.T) {
	t.Parallel()
	to := edge("2.0.0", "1.36.3+k3s1", "2")
	in := upgrade(t, 1, 1, to)
	in.From.Kubernetes.Distribution, in.From.Kubernetes.Version, to.Kubernetes.Distribution = "k3s", "1.35.4+k3s1", "k3s"
	snapshots := func(p *cluster.Plan) (made, back []string) {
		for _, w := range p.Waves {
			for _, s := range w.Steps {
				for _, a := range s.Acts {
					if a.Host != nil && a.Host.Op.Snapshot != nil && a.Host.Op.Snapshot.K3s {
						made = append(made, string(w.Phase)+" "+a.Host.Op.Snapshot.Name)
					}
					if a.Host != nil && a.Host.Op.Restore != nil && a.Host.Op.Restore.K3s {
						back = append(back, string(w.Phase)+" "+a.Host.Op.Restore.Name)
					}
				}
			}
		}
		return made, back
	}
	p, err := plan.Upgrade(in)
	if err != nil {
		t.Fatal(err)
	}
	made, _ := snapshots(p)
	if !slices.Equal(made, []string{"backup before-edge-1-0-0"}) || slices.Index(phases(p), "backup: etcd") > slices.Index(phases(p), "roll: c1") {
		t.Errorf("%q in %q", made, phases(p))
	}
	in.From, in.To, in.FromRef, in.ToRef = in.To, in.From, in.ToRef, in.FromRef
	if p, err = plan.Rollback(in, true); err != nil {
		t.Fatal(err)
	}
	if _, back := snapshots(p); !slices.Equal(back, []string{"control-plane before-edge-1-0-0"}) {
		t.Errorf("%q in %q", back, phases(p))
	}
	keeps(t, p)
}

func TestDelete(t *testing.T) {
	t.Parallel()
	in := input(t, 1, 2)
	in.Hosts[2].Online = false
	for force, want := range map[bool]string{false: "clean-up: w1 w2", true: "clean-up: w1"} {
		p, err := plan.Delete(in, force)
		if err != nil {
			t.Fatal(err)
		}
		if got := phases(p); got[0] != want || got[1] != "clean-up: c1" {
			t.Errorf("force %t: %q", force, got)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	p, err := plan.Compare(upgrade(t, 1, 1, edge("2.0.0", "1.36.3", "2")))
	if err != nil {
		t.Fatal(err)
	}
	// Two images and the provider are new.
	if h := p.Hosts[1]; !h.Rolls || h.Images != 2 || h.Bytes != 210 {
		t.Errorf("%+v", h)
	}
	text := p.String()
	for _, want := range []string{"edge:1.0.0 → edge:2.0.0", "API server is away", "Carts are lost."} {
		if !strings.Contains(text, want) {
			t.Errorf("without %q:\n%s", want, text)
		}
	}
}

// keeps proves what every plan keeps to.
func keeps(t *testing.T, p *cluster.Plan) {
	t.Helper()
	gated, pinned, workersBegan := false, false, false
	ids := map[string]bool{}
	for _, w := range p.Waves {
		hosts := map[string]bool{}
		for _, s := range w.Steps {
			if ids[s.ID] || s.Title == "" || len(s.Acts) == 0 {
				t.Errorf("step %q is there twice, or empty", s.ID)
			}
			ids[s.ID] = true
			if s.Host != "" && hosts[s.Host] {
				t.Errorf("a wave has two steps for %s", s.Host)
			}
			hosts[s.Host] = true
			if w.Phase == cluster.Joining || w.Phase == cluster.Roll {
				if isWorker := strings.HasPrefix(s.Host, "w"); isWorker {
					workersBegan = true
				} else if workersBegan || len(w.Steps) > 1 {
					t.Errorf("%s: control planes come one by one, and before workers", s.ID)
				}
			}
			drained := false
			for _, a := range s.Acts {
				switch {
				case a.Site != nil:
					gated = gated || a.Site.Do == cluster.CheckClosure
					pinned = pinned || a.Site.Do == cluster.PinContent
				case a.Host != nil:
					if !gated && p.Kind != cluster.Renew || a.Host.Op.Pull != nil && !pinned {
						t.Errorf("%s: a host is touched before the gate, or pulls before its content is pinned", s.ID)
					}
					if a.Host.Op.ID = "x"; a.Host.Op.Valid() != nil {
						t.Errorf("%s: %v", s.ID, a.Host.Op.Valid())
					}
				case a.Kube != nil:
					drained = drained != (a.Kube.Do == cluster.Drain || a.Kube.Do == cluster.Uncordon)
				}
			}
			if drained {
				t.Errorf("%s leaves a drained host", s.ID)
			}
		}
	}
}
