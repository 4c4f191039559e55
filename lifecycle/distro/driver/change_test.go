package driver_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/distro/driver"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

func of(t *testing.T, distribution string) driver.Driver {
	t.Helper()
	d, err := driver.For(distribution)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// kinds are what acts do, in order.
func kinds(acts []cluster.Act) (list []string) {
	for _, a := range acts {
		switch {
		case a.Host != nil:
			list = append(list, strings.TrimSpace(a.Host.Op.Kind()))
		case a.Kube != nil:
			list = append(list, string(a.Kube.Do))
		}
	}
	return list
}

// What is reached without a proxy is all that is the cluster's or the site's, once, for
// each unit that could use one; without a proxy there is nothing.
func TestNoProxy(t *testing.T) {
	t.Parallel()
	for distribution, units := range map[string][]string{"kubeadm": {"containerd.service", "kubelet.service"}, "k3s": {"k3s.service"}} {
		s := setting(t, distribution)
		s.Spec.Proxy.No = []string{"intranet.example", ".svc"}
		s.Source.URL = "https://[fd00::5]:5443"
		acts, err := of(t, distribution).Prepare(s, s.Nodes[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, unit := range units {
			path := "/etc/systemd/system/" + unit + ".d/50-landfall-proxy.conf"
			_, list, _ := strings.Cut(string(files(acts)[path].Content), "NO_PROXY=")
			have := strings.Split(strings.TrimSuffix(list, "\"\n"), ",")
			want := []string{"localhost", "127.0.0.1", "10.244.0.0/16", "10.96.0.0/12", ".svc", ".cluster.local", "10.0.0.9",
				"c1", "10.0.1.1", "c2", "10.0.1.2", "c3", "10.0.1.3", "w1", "fd00::5", "intranet.example"}
			if !slices.Equal(have, want) {
				t.Errorf("%s of %s: %q\nwant %q", path, distribution, have, want)
			}
		}
		s.Spec.Proxy.HTTP = ""
		if acts, err = of(t, distribution).Prepare(s, s.Nodes[0]); err != nil {
			t.Fatal(err)
		}
		for path := range files(acts) {
			if strings.Contains(path, "proxy") {
				t.Errorf("%s without a proxy", path)
			}
		}
	}
}

// Time servers are named for whoever keeps a host's clock, which begins again to read
// them; where that cannot be, it is said.
func TestTimeServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clock      host.Clock
		path, text string
		acts       []string
	}{
		"timesyncd": {host.Clock{By: host.Timesyncd}, "/etc/systemd/timesyncd.conf.d/50-landfall.conf", "[Time]\nNTP=10.0.0.1 time.example\nFallbackNTP=\n",
			[]string{"unit enable systemd-timesyncd.service", "unit restart systemd-timesyncd.service"}},
		"chrony": {host.Clock{By: host.Chrony, Servers: "/etc/chrony/sources.d/50-landfall.sources"}, "/etc/chrony/sources.d/50-landfall.sources", "server 10.0.0.1 iburst\nserver time.example iburst\n",
			[]string{"unit restart chronyd.service"}},
		"not known": {host.Clock{}, "/etc/systemd/timesyncd.conf.d/50-landfall.conf", "[Time]\nNTP=10.0.0.1 time.example\nFallbackNTP=\n",
			[]string{"unit enable systemd-timesyncd.service", "unit restart systemd-timesyncd.service"}},
	} {
		for _, distribution := range []string{"kubeadm", "k3s"} {
			s := setting(t, distribution)
			s.Spec.TimeServers = []string{"10.0.0.1", "time.example"}
			s.Nodes[3].Clock = c.clock
			d := of(t, distribution)
			for verb, do := range map[string]func(*driver.Setting, driver.Node) ([]cluster.Act, error){"prepare": d.Prepare, "upgrade": d.Upgrade} {
				acts, err := do(s, s.Nodes[3])
				if err != nil {
					t.Fatal(err)
				}
				if f := files(acts)[c.path]; string(f.Content) != c.text {
					t.Errorf("%s, %s %s: %s is %q", name, distribution, verb, c.path, f.Content)
				}
				have := slices.DeleteFunc(kinds(acts), func(k string) bool { return !strings.Contains(k, "timesyncd") && !strings.Contains(k, "chrony") })
				if !slices.Equal(have, c.acts) {
					t.Errorf("%s, %s %s: %q, want %q", name, distribution, verb, have, c.acts)
				}
			}
		}
	}
	s := setting(t, "kubeadm")
	s.Nodes[3].Clock = host.Clock{By: host.Chrony}
	if _, err := of(t, "kubeadm").Prepare(s, s.Nodes[3]); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), "sourcedir") {
		t.Errorf("chrony without a folder: %v", err)
	}
	s.Spec.TimeServers = nil
	acts, err := of(t, "kubeadm").Prepare(s, s.Nodes[3])
	if err != nil || strings.Contains(strings.Join(kinds(acts), " "), "chrony") {
		t.Errorf("without time servers: %v, %q", err, kinds(acts))
	}
}

// The virtual address goes on with the new definition's image, after kubeadm's step, and
// back with the old one's; a worker has none.
func TestUpgradeMovesAddress(t *testing.T) {
	t.Parallel()
	const manifest = "/etc/kubernetes/manifests/kube-vip.yaml"
	d := of(t, "kubeadm")
	s := setting(t, "kubeadm")
	s.From = s.Definition
	for verb, do := range map[string]func(*driver.Setting, driver.Node) ([]cluster.Act, error){"upgrade": d.Upgrade, "return": d.Return} {
		next := *s.Definition
		next.Images = []definition.Image{{Name: "registry.k8s.io/pause:3.10.2"}, {Name: "ghcr.io/kube-vip/kube-vip:v1.0.1"}}
		s.Definition = &next
		for i, n := range s.Nodes[:3] {
			acts, err := do(s, n)
			if err != nil {
				t.Fatal(err)
			}
			if f := files(acts)[manifest]; !strings.Contains(string(f.Content), "kube-vip:v1.0.1") || strings.Contains(string(f.Content), "super-admin.conf") || f.Mode != 0o600 {
				t.Errorf("%s of %s: %o %s", verb, n.Name, f.Mode, f.Content)
			}
			step := map[bool]string{true: "kubeadm upgrade-apply", false: "kubeadm upgrade-node"}[i == 0]
			all := kinds(acts)
			if at := slices.Index(all, step); at < 0 || all[at+1] != "files" || all[at+2] != "unit restart kubelet.service" {
				t.Errorf("%s of %s: %q", verb, n.Name, all)
			}
		}
		acts, err := do(s, s.Nodes[3])
		if _, is := files(acts)[manifest]; err != nil || is {
			t.Errorf("%s of a worker: %v, has the address: %v", verb, err, is)
		}
	}
}

// A worker goes back across a minor version without kubeadm, and a control plane does not.
func TestReturnAcrossMinor(t *testing.T) {
	t.Parallel()
	for _, distribution := range []string{"kubeadm", "k3s"} {
		d, s := of(t, distribution), setting(t, distribution)
		from := *s.Definition
		from.Kubernetes = &definition.Kubernetes{Distribution: distribution, Version: "1.37.0"}
		s.From = &from
		acts, err := d.Return(s, s.Nodes[3])
		if err != nil {
			t.Fatal(err)
		}
		all := kinds(acts)
		for _, k := range all {
			if strings.HasPrefix(k, "kubeadm") && k != "kubeadm return" {
				t.Errorf("%s: %q", distribution, all)
			}
		}
		if distribution == "kubeadm" {
			want := []string{"files", "provider kubernetes", "unit reload", "unit enable systemd-timesyncd.service", "unit restart systemd-timesyncd.service",
				"unit restart containerd.service", "kubeadm return", "unit restart kubelet.service"}
			if !slices.Equal(all, want) {
				t.Errorf("%q\nwant %q", all, want)
			}
			if k := acts[6].Host.Op.Kubeadm; k.Version != "1.37.0" {
				t.Errorf("the upgrade that is taken back: %+v", k)
			}
		}
		for _, n := range s.Nodes[:3] {
			if _, err := d.Return(s, n); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "snapshot") {
				t.Errorf("%s, %s: %v", distribution, n.Name, err)
			}
		}
	}
}

// States are saved and come back by each distribution's own means, with the older version
// in place before.
func TestSnapshots(t *testing.T) {
	t.Parallel()
	for distribution, k3s := range map[string]bool{"kubeadm": false, "k3s": true} {
		d, s := of(t, distribution), setting(t, distribution)
		acts, err := d.Snapshot(s, s.Nodes[0], "before-1")
		if err != nil || acts[0].Host.Op.Snapshot == nil || acts[0].Host.Op.Snapshot.Name != "before-1" || acts[0].Host.Op.Snapshot.K3s != k3s {
			t.Errorf("%s: %v, %+v", distribution, err, acts)
		}
		if acts, err = d.Restore(s, s.Nodes[0], "before-1"); err != nil {
			t.Fatal(err)
		}
		all := kinds(acts)
		if at := slices.Index(all, "restore"); at < 0 || at < slices.Index(all, "provider kubernetes") || all[len(all)-1] != "await-api" || !k3s && all[len(all)-2] != "unit restart kubelet.service" {
			t.Errorf("%s: %q", distribution, all)
		}
	}
}

// Certificates are made new where nobody does so already.
func TestRenew(t *testing.T) {
	t.Parallel()
	for distribution, want := range map[string][][]string{
		"kubeadm": {{"kubeadm renew-certs", "await-api"}, nil},
		"k3s":     {{"k3s renew-certs", "await-api", "await-node"}, {"k3s renew-certs", "await-node"}},
	} {
		s := setting(t, distribution)
		for i, n := range []driver.Node{s.Nodes[0], s.Nodes[3]} {
			acts, err := of(t, distribution).Renew(s, n)
			if err != nil || !slices.Equal(kinds(acts), want[i]) {
				t.Errorf("%s, %s: %v, %q", distribution, n.Name, err, kinds(acts))
			}
		}
	}
}
