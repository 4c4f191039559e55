package k8s

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/build"
	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// killer ends the appliance and agents in turn, each time that a run has come further.
type killer struct {
	*site
	seen  map[string]bool // states of steps
	count int
	log   []string
}

// at is asked with what a run is at; it kills somebody when that is new.
func (k *killer) at(c clusterState) {
	if c.Run == nil {
		return
	}
	for _, step := range c.Run.Steps {
		state := step.ID + " " + step.State
		if step.State == "" || k.seen[state] {
			continue
		}
		k.seen[state] = true
		victim := "the appliance"
		if k.count++; k.count%2 == 0 {
			victim = "the agent of " + k.killAgent(step.Host)
		} else {
			k.kill()
			k.start()
		}
		k.log = append(k.log, fmt.Sprintf("%d: killed %s while %q was %s", k.count, victim, step.Title, step.State))
		return
	}
}

// killAgent ends the agent of a host, or of the first one; systemd starts it again.
func (k *killer) killAgent(name string) string {
	h := k.hosts[max(0, slices.IndexFunc(k.hosts, func(h *lab.Host) bool { return h.Name == name }))]
	if h.PID() != 0 {
		_, _ = h.Exec(k.t.Context(), "systemctl", "kill", "--kill-who=main", "--signal=KILL", "landfall-host.service") // it may be between two lives
	}
	return h.Name
}

// followed waits for the end of a run, with what is done at each look. A run that has
// stopped is resumed, once.
func (s *site) followed(limit time.Duration, want string, each func(c clusterState)) {
	s.t.Helper()
	resumed := false
	eventually(s.t, limit, "the cluster", func() (bool, string) {
		c := s.cluster()
		each(c)
		if c.Phase == "stopped" && !resumed {
			resumed = true
			s.t.Logf("stopped: %s; next: %s; resumed", c.Reason, c.Next)
			s.landfall("cluster", "resume", "shop")
			return false, c.Reason
		}
		return c.Phase == "running" && c.Running == want, fmt.Sprintf("%s %s %s", c.Phase, c.Running, c.Reason)
	})
}

// Formation and upgrade end in a running cluster whoever is killed, whatever is cut off
// and powered off on the way; the client is not harmed by a host that Landfall has
// emptied, nor by the loss of appliance and agents.
func TestFaults(t *testing.T) {
	p := built(t)
	l := openLab(t, p, "faults")
	c := newConnected(t, l, p)
	x := &scenario{connected: c, site: newSite(t, l, p), figures: newFigures(t)}
	x.furnish()
	x.site.landfall("bundle", "import", x.bundle(x.build(one)), "--key", x.at("team.pub"))
	x.linkAll()
	file := x.at("cluster.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, clusterFile, one.ref()), 0o644); err != nil {
		t.Fatal(err)
	}
	k := &killer{site: x.site, seen: map[string]bool{}}
	x.site.landfall("cluster", "create", "-f", file)
	x.followed(20*time.Minute, one.ref(), k.at)
	answering(t, x.hosts)
	formed := k.count

	x.land(t, two)
	x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--run")
	trouble := map[string]func(h *lab.Host){"edge2": x.powerLost, "edge3": x.cutOff}
	x.followed(30*time.Minute, two.ref(), func(c clusterState) {
		k.at(c)
		for _, h := range x.hosts {
			if do := trouble[h.Name]; do != nil && atWork(c, h.Name) {
				delete(trouble, h.Name)
				do(h)
			}
		}
	})
	x.nodesAre(t, second)
	x.imagesAre(t, two)
	x.nothingOutside(t)
	t.Logf("%d kills while it was formed, %d while it was upgraded:\n%s", formed, k.count-formed, strings.Join(k.log, "\n"))
	if k.count < 20 || len(trouble) > 0 {
		t.Errorf("%d kills, want 20; troubles that did not come: %d", k.count, len(trouble))
	}
}

// atWork says whether a host is being rolled.
func atWork(c clusterState, host string) bool {
	if c.Run == nil {
		return false
	}
	return slices.ContainsFunc(c.Run.Steps, func(s stepState) bool {
		return s.Host == host && s.Phase == "roll" && s.State == "running"
	})
}

func (x *scenario) powerLost(h *lab.Host) {
	x.site.t.Helper()
	x.l.Say("%s loses its power", h.Name)
	if err := h.Down(); err != nil {
		x.site.t.Fatal(err)
	}
	if err := h.Up(x.site.t.Context()); err != nil {
		x.site.t.Fatal(err)
	}
}

// cutFor is for how long a host is cut off: longer than an agent's call.
const cutFor = 45 * time.Second

func (x *scenario) cutOff(h *lab.Host) {
	x.site.t.Helper()
	x.l.Say("%s is cut off", h.Name)
	if err := h.Cut(x.site.t.Context()); err != nil {
		x.site.t.Fatal(err)
	}
	time.Sleep(cutFor) // the time itself is what is tested
	if err := h.Join(x.site.t.Context()); err != nil {
		x.site.t.Fatal(err)
	}
}

// alone is a cluster of one host, whose name is the cluster's.
const alone = `apiVersion: landfall.dev/v1alpha1
kind: Cluster
metadata: {name: %[1]s}
spec:
  definition: %[2]s
  controlPlane: {hosts: [%[1]s], workloads: true}
  network: {pods: 10.244.0.0/16, services: 10.96.0.0/16}
  kubeadm:
    ignorePreflightErrors: [SystemVerification]
    kubelet: {failCgroupV1: false}
    proxy: {conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
`

// A host that is not fit is told from one that is before anything is done to it, and one
// command goes on when it has been made fit.
func TestUnfitHosts(t *testing.T) {
	p := built(t)
	l := openLab(t, p, "unfit")
	x := &scenario{connected: newConnected(t, l, p), figures: newFigures(t)}
	late := filepath.Join(p.Run, "landfall-late")
	if err := (&build.Cache{}).Landfall(late, 600); err != nil {
		t.Fatal(err)
	}
	x.site = newSite(t, l, p)
	x.site.landfall("bundle", "import", x.bundle(x.build(one)), "--key", x.at("team.pub"))
	t.Run("disk", func(t *testing.T) {
		s := withAgent()
		s.Disk = 16 << 30
		x.unfit(t, "edge8", "disk", s, x.fill, x.unfill)
	})
	t.Run("clock", func(t *testing.T) {
		s := withAgent()
		s.Files["/usr/local/bin/landfall"] = late
		x.unfit(t, "edge9", "clock", s, func(*lab.Host) {}, x.rightClock)
	})
}

// unfit forms a cluster of one host, which stops with a reason; it goes on when the host
// was mended.
func (x *scenario) unfit(t *testing.T, name, reason string, s lab.Spec, spoil, mend func(h *lab.Host)) {
	x.site.t, x.connected.t = t, t
	s.Name, s.Address = name, "10.77.0.1"+strings.TrimPrefix(name, "edge")
	h := must(x.l.NewHost(t.Context(), s))(t)
	if err := h.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.link(h)
	spoil(h)
	file := x.at(name + ".yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, alone, name, one.ref()), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := x.try("cluster", "create", "-f", file, "--wait")
	if err == nil || !strings.Contains(strings.ToLower(err.Error()), reason) {
		t.Errorf("create: %v, want an end because of its %s\n%s", err, reason, said)
	}
	if _, err := h.Exec(t.Context(), "test", "!", "-e", "/etc/kubernetes"); err != nil {
		t.Error("something was done to a host that is not fit")
	}
	mend(h)
	x.site.landfall("cluster", "resume", name, "--wait")
	if _, err := h.Exec(t.Context(), "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "nodes"); err != nil {
		t.Error(err)
	}
	if err := h.Destroy(); err != nil {
		t.Error(err)
	}
}

func (x *scenario) fill(h *lab.Host) {
	must(h.Exec(x.site.t.Context(), "fallocate", "-l", "15G", "/var/lib/containerd/fill"))(x.site.t)
}

func (x *scenario) unfill(h *lab.Host) {
	must(h.Exec(x.site.t.Context(), "rm", "/var/lib/containerd/fill"))(x.site.t)
}

func (x *scenario) rightClock(h *lab.Host) {
	t := x.site.t
	if err := h.Copy(t.Context(), "/usr/local/bin/landfall", binary()); err != nil {
		t.Fatal(err)
	}
	must(h.Exec(t.Context(), "systemctl", "restart", "landfall-host.service"))(t)
}
