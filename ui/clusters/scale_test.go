package clusters_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster/plan"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// Hosts come and go; a host that has left belongs to nobody, and is cleaned.
func TestScale(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1", "w2", "other")
	s.publish("1.0.0", "1.35.4")
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	s.hosts.change("other", func(h *host.Host) { h.Cluster = "bakery" })
	for name, r := range map[string]clusters.ScaleRequest{
		"of another cluster": {Resize: plan.Resize{Add: []plan.Added{{Host: "other"}}}},
		"unknown":            {Resize: plan.Resize{Add: []plan.Added{{Host: "nobody"}}}},
		"another definition": {Document: document("2.0.0", []string{"c1"}, []string{"w2"})},
		"another name":       {Document: strings.Replace(document("1.0.0", []string{"c1"}, []string{"w2"}), "shop", "bakery", 1)},
		"nothing":            {},
	} {
		if _, err := s.Scale(t.Context(), "shop", r); err == nil {
			t.Errorf("%s: it was begun", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if s.hosts.cluster("w2") != "" || s.hosts.cluster("other") != "bakery" {
		t.Errorf("refused, and w2 is of %q", s.hosts.cluster("w2"))
	}
	s.hosts.let(nil)
	key := clusters.WithKey(t.Context(), "once")
	for range 2 { // the second time it is done already
		_, err := s.Scale(key, "shop", clusters.ScaleRequest{Resize: plan.Resize{Add: []plan.Added{{Host: "w2"}}, Remove: []string{"w1"}}})
		s.must(err)
		c := s.ends(clusters.Ready)
		if got := c.Spec.Hosts(); !slices.Equal(got, []string{"c1", "w2"}) || c.Running != "edge:1.0.0" {
			t.Errorf("%q run %s", got, c.Running)
		}
	}
	if s.hosts.cluster("w1") != "" || s.hosts.cluster("w2") != "shop" || len(s.hosts.were("w1 clean")) != 1 || !s.kube.has("drain w1") || !s.kube.has("remove w1") {
		t.Errorf("w1 is of %q, w2 of %q; %q; %q", s.hosts.cluster("w1"), s.hosts.cluster("w2"), s.hosts.asked, s.kube.did)
	}
	if got := s.hosts.were("c1 kubeadm"); len(got) > 0 {
		t.Errorf("who stays was begun again: %q", got)
	}
}

// A host that cannot join is given up by scaling again; what had joined stays.
func TestScaleGivenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1", "w2", "w3")
	s.publish("1.0.0", "1.35.4")
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	s.hosts.let(func(_ context.Context, name string, op host.Op) error {
		if name == "w3" && op.Kubeadm != nil {
			return errFull
		}
		return nil
	})
	_, err := s.Scale(t.Context(), "shop", clusters.ScaleRequest{Resize: plan.Resize{Add: []plan.Added{{Host: "w2"}, {Host: "w3"}}}})
	s.must(err)
	s.ends(clusters.Stopped)
	s.hosts.let(nil)
	_, err = s.Scale(t.Context(), "shop", clusters.ScaleRequest{Resize: plan.Resize{Remove: []string{"w3"}}})
	s.must(err)
	c := s.ends(clusters.Ready)
	if got := c.Spec.Hosts(); !slices.Equal(got, []string{"c1", "w1", "w2"}) || s.hosts.cluster("w3") != "" || len(s.hosts.were("w3 clean")) != 1 {
		t.Errorf("%q; w3 is of %q: %q", got, s.hosts.cluster("w3"), s.hosts.asked)
	}
	if got := s.hosts.were("w2 kubeadm"); len(got) > 0 {
		t.Errorf("what had joined was begun again: %q", got)
	}
}

// A cluster whose scaling has stopped is deleted with all of its hosts.
func TestDeleteLeftovers(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1", "w2")
	s.publish("1.0.0", "1.35.4")
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	s.hosts.let(func(_ context.Context, _ string, op host.Op) error {
		if op.Clean != nil {
			return errFull
		}
		return nil
	})
	_, err := s.Scale(t.Context(), "shop", clusters.ScaleRequest{Resize: plan.Resize{Add: []plan.Added{{Host: "w2"}}, Remove: []string{"w1"}}})
	s.must(err)
	s.ends(clusters.Stopped)
	s.hosts.let(nil)
	_, err = s.Delete(t.Context(), "shop", false)
	s.must(err)
	s.gone()
	for _, name := range []string{"c1", "w1", "w2"} {
		if s.hosts.cluster(name) != "" || len(s.hosts.were(name+" clean")) != 1 {
			t.Errorf("%s is of %q: %q", name, s.hosts.cluster(name), s.hosts.asked)
		}
	}
	if _, err := s.Get(t.Context(), "shop"); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}
