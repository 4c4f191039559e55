package clusters_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/clusters"
)

var errFull = errors.New("the disk is full")

// A cluster is formed; what ends in the middle, with the appliance, goes on with the same
// operations under the same ids, and nothing that was done is done again.
func TestCreateAcrossEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	reached := make(chan struct{})
	s.hosts.let(func(ctx context.Context, _ string, op host.Op) error {
		if op.Kubeadm == nil {
			return nil
		}
		close(reached)
		<-ctx.Done()
		return context.Cause(ctx)
	})
	_, err := s.Create(t.Context(), clusters.CreateRequest{Document: document("1.0.0", []string{"c1"}, []string{"w1"})})
	s.must(err)
	s.reaches(reached)
	before := s.hosts.ids[len(s.hosts.ids)-1]
	if p := s.pins(); p != "staged=1.0.0" {
		t.Errorf("while it is formed the pins are %q", p)
	}
	s.stop()
	s.hosts.let(nil)
	s.open()
	c := s.ends(clusters.Ready)
	if c.Running != "edge:1.0.0" || c.Run.Done != c.Run.Total || c.Run.Total == 0 {
		t.Errorf("%+v", c)
	}
	if got := s.hosts.were("c1 pull"); len(got) > 0 {
		t.Errorf("done again: %q", got)
	}
	if !slices.Contains(s.hosts.ids, before) {
		t.Errorf("%s was not asked for again, but %q", before, s.hosts.ids)
	}
	if p := s.pins(); p != "running=1.0.0" {
		t.Errorf("pins %q", p)
	}
	if s.hosts.cluster("c1") != "shop" || s.hosts.cluster("w1") != "shop" || !s.kube.has("apply app") {
		t.Errorf("hosts are of %q and %q; %q", s.hosts.cluster("c1"), s.hosts.cluster("w1"), s.kube.did)
	}
}

// Pins follow a cluster: what it is about to run, runs and can return to is kept, and
// cannot be deleted; what it needs no more is let go of.
func TestPins(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	for version, kubernetes := range map[string]string{"1.0.0": "1.35.4", "2.0.0": "1.35.5", "3.0.0": "1.35.6"} {
		s.publish(version, kubernetes)
	}
	s.create(document("1.0.0", []string{"c1"}, nil))
	for _, step := range []struct {
		what string
		do   func() (*clusters.Cluster, error)
		want string
	}{
		{"stage", func() (*clusters.Cluster, error) { return s.Stage(t.Context(), "shop", "edge:2.0.0", 0) }, "running=1.0.0 staged=2.0.0"},
		{"upgrade", func() (*clusters.Cluster, error) { return s.Upgrade(t.Context(), "shop", "edge:2.0.0", 0) }, "previous=1.0.0 running=2.0.0"},
		{"upgrade again", func() (*clusters.Cluster, error) { return s.Upgrade(t.Context(), "shop", "edge:3.0.0", 0) }, "previous=2.0.0 running=3.0.0"},
		{"rollback", func() (*clusters.Cluster, error) { return s.Rollback(t.Context(), "shop", false) }, "running=2.0.0"},
	} {
		if _, err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		s.ends(clusters.Ready)
		if p := s.pins(); p != step.want {
			t.Errorf("after %s the pins are %q, want %q", step.what, p, step.want)
		}
	}
	ref, err := registry.ParseRef("definitions.landfall.dev/edge:2.0.0")
	s.must(err)
	if err := s.store.Delete(t.Context(), ref); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "shop") {
		t.Errorf("a definition that runs was deleted: %v", err)
	}
	ref.Tag = "1.0.0"
	if err := s.store.Delete(t.Context(), ref); err != nil {
		t.Errorf("one that nobody needs: %v", err)
	}
	_, err = s.Delete(t.Context(), "shop", false)
	s.must(err)
	s.gone()
	s.poll(func() (bool, string) {
		return s.pins() == "" && s.hosts.cluster("c1") == "", s.pins() + " c1 is of " + s.hosts.cluster("c1")
	})
}

// What fails stops with its reason and is tried again from there; nothing else begins
// meanwhile, but a way out.
func TestStopResume(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	s.publish("2.0.0", "1.35.5")
	s.create(document("1.0.0", []string{"c1"}, []string{"w1"}))
	s.hosts.let(func(_ context.Context, name string, op host.Op) error {
		if name == "w1" && op.Kubeadm != nil {
			return errFull
		}
		return nil
	})
	_, err := s.Upgrade(t.Context(), "shop", "edge:2.0.0", 0)
	s.must(err)
	c := s.ends(clusters.Stopped)
	if !strings.Contains(c.Reason, "the disk is full") || !strings.Contains(c.Next, "resume") || !strings.Contains(c.Next, "rollback") {
		t.Errorf("%q, next %q", c.Reason, c.Next)
	}
	for what, do := range map[string]func() (*clusters.Cluster, error){
		"upgrade": func() (*clusters.Cluster, error) { return s.Upgrade(t.Context(), "shop", "edge:2.0.0", 0) },
		"scale": func() (*clusters.Cluster, error) {
			return s.Scale(t.Context(), "shop", clusters.ScaleRequest{Document: document("1.0.0", []string{"c1"}, nil)})
		},
	} {
		if _, err := do(); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), c.Run.ID) {
			t.Errorf("%s while another run is open: %v", what, err)
		}
	}
	s.hosts.let(nil)
	_, err = s.Resume(t.Context(), "shop")
	s.must(err)
	if c = s.ends(clusters.Ready); c.Running != "edge:2.0.0" {
		t.Errorf("%+v", c)
	}
	if got := s.hosts.were("c1 kubeadm"); len(got) > 0 {
		t.Errorf("done again: %q", got)
	}
	if _, err := s.Resume(t.Context(), "shop"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("resumed what has ended: %v", err)
	}
}

// A run that is paused waits after what it has begun, across the end of the appliance.
func TestPause(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1", "w1")
	s.publish("1.0.0", "1.35.4")
	arrived, leave := make(chan struct{}), make(chan struct{})
	s.hosts.let(func(_ context.Context, name string, op host.Op) error {
		if op.Pull != nil && name == "c1" {
			close(arrived)
			<-leave
		}
		return nil
	})
	_, err := s.Create(t.Context(), clusters.CreateRequest{Document: document("1.0.0", []string{"c1"}, []string{"w1"})})
	s.must(err)
	s.reaches(arrived)
	_, err = s.Pause(t.Context(), "shop")
	s.must(err)
	close(leave)
	s.ends(clusters.Paused)
	if got := s.hosts.were("c1 kubeadm"); len(got) > 0 {
		t.Errorf("paused, and %q was done", got)
	}
	s.again()
	if c := s.ends(clusters.Paused); !strings.Contains(c.Next, "resume") {
		t.Errorf("%+v", c)
	}
	s.hosts.let(nil)
	_, err = s.Resume(t.Context(), "shop")
	s.must(err)
	s.ends(clusters.Ready)
}

// Outside of its windows a host is not touched; resumed within, it is.
func TestWindow(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	s.publish("2.0.0", "1.35.5")
	s.create(document("1.0.0", []string{"c1"}, nil, "  upgrade: {windows: [{days: ["+anotherDay()+"], start: '12:00', duration: 1m}]}\n"))
	_, err := s.Upgrade(t.Context(), "shop", "edge:2.0.0", 0)
	s.must(err)
	c := s.when(func(c *clusters.Cluster) bool {
		return slices.ContainsFunc(c.Run.Steps, func(s clusters.StepStatus) bool { return strings.Contains(s.Now, "maintenance window") })
	})
	if c.Phase != clusters.Upgrading || s.kube.has("drain c1") {
		t.Errorf("%s; %q", c.Phase, s.kube.did)
	}
}

// anotherDay is a day of the week that is neither today nor close to it.
func anotherDay() string {
	return strings.ToLower(time.Now().Add(72 * time.Hour).Weekday().String()[:3])
}
