package clusters_test

import (
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// Certificates are renewed on control planes, and the one that ends first is told.
func TestRenew(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	if _, err := s.Renew(t.Context(), "shop"); err == nil {
		t.Error("a cluster that is not there was renewed")
	}
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	s.hosts.change("c1", func(h *host.Host) {
		h.Inventory.Certificates = []host.Certificate{{Name: "apiserver", Ends: day.AddDate(0, 1, 0)}, {Name: "etcd/server", Ends: day}}
	})
	s.hosts.let(nil)
	_, err := s.Renew(t.Context(), "shop")
	s.must(err)
	c := s.ends(clusters.Ready)
	if e := c.Certificates; e == nil || e.Host != "c1" || e.Certificate != "etcd/server" || !e.Ends.Equal(day) {
		t.Errorf("%+v", e)
	}
	if len(s.hosts.were("c1 kubeadm renew-certs")) != 1 || len(s.hosts.were("w1")) != 0 || c.Running != "edge:1.0.0" {
		t.Errorf("%q; %+v", s.hosts.asked, c)
	}
}

// What is otherwise is told of the cluster and of each host; what cannot be asked is no
// cluster without drift.
func TestDrift(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	d, err := s.Drift(t.Context(), "shop")
	s.must(err)
	if d.Drifted || len(d.Hosts) != 0 || d.Definition != "edge:1.0.0" {
		t.Errorf("%+v", d)
	}
	if w := s.kube.wanted; len(w.Layers) != 1 || w.Layers[0].Name != "app" || len(w.Nodes) != 2 || w.Version != "1.35.4" || len(w.Images) != 3 {
		t.Errorf("the cluster was compared with %+v", w)
	}
	s.hosts.output = func(name string, op host.Op) string {
		if name == "c1" && op.Compare != nil {
			return `{"files":[{"path":"/etc/crictl.yaml","state":"changed"}],"images":[{"name":"registry.k8s.io/pause:3.10"}]}`
		}
		return "{}"
	}
	s.hosts.change("w1", func(h *host.Host) { h.Online = false })
	s.kube.drift = kube.Drift{Nodes: []kube.NodeDrift{{Node: "w1", NotReady: "it is away"}}}
	d, err = s.Drift(t.Context(), "shop")
	s.must(err)
	if !d.Drifted || len(d.Hosts) != 2 || d.Hosts[0].Files[0].Path != "/etc/crictl.yaml" || d.Hosts[0].Images[0] != "registry.k8s.io/pause:3.10" || d.Hosts[1].Problem == "" || len(d.Cluster.Nodes) != 1 {
		t.Errorf("%+v", d)
	}
}
