package k8s

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The stacks that the site goes through.
var (
	one    = stack{version: "1.0.0", kubernetes: first, app: "1"}
	two    = stack{version: "2.0.0", kubernetes: second, app: "2"}
	absent = stack{version: "3.0.0", kubernetes: second, app: "3"}
	ill    = stack{version: "3.1.0", kubernetes: second, app: "broken"}
	lame   = stack{version: "3.2.0", kubernetes: second, app: "2", broken: true}
)

func (s stack) ref() string { return "edge:" + s.version }

// What a site lives through first, in order.
func TestScenario(t *testing.T) {
	lived(t, "scenario", func(x *scenario) []part {
		return []part{
			{"1 form", func(t *testing.T) { x.form(t, one) }},
			{"2 upgrade", x.upgrade},
			{"3a an image is missing", x.missing},
			{"3b a broken application", x.brokenApp},
			{"5a collection", x.collection},
		}
	})
}

// What a cluster lives through that runs for long.
func TestLife(t *testing.T) {
	lived(t, "life", func(x *scenario) []part {
		return []part{
			{"1 form", func(t *testing.T) { x.form(t, two) }},
			{"6a scale", x.scale},
			{"6b variables", x.setVariables},
			{"6c certificates", x.renewCertificates},
			{"6d drift", x.drift},
			{"6e backup and restore", x.restore},
			{"5b the kubelet's collection", x.kubeletsCollection},
			{"3c a broken kubelet", x.brokenKubelet},
		}
	})
}

// part is one thing that a site lives through. It begins where the one before has ended.
type part struct {
	name string
	run  func(t *testing.T)
}

// lived takes a site through parts.
func lived(t *testing.T, name string, parts func(x *scenario) []part) {
	t.Helper()
	p := built(t)
	l := openLab(t, p, name)
	c := newConnected(t, l, p)
	s := newSite(t, l, p)
	s.furnish()
	x := &scenario{connected: c, site: s, figures: newFigures(t)}
	for _, part := range parts(x) {
		passed := t.Run(part.name, func(t *testing.T) {
			s.t, c.t = t, t
			part.run(t)
			x.nothingOutside(t)
		})
		if s.t, c.t = t, t; passed {
			continue
		}
		if c := x.cluster(); c.Phase != "running" || c.Running != two.ref() {
			t.Errorf("%q has failed: the parts after it would begin where it did not end", part.name)
			break
		}
	}
}

type scenario struct {
	*connected
	*site
	figures *figures
}

// nothingOutside proves that nobody has sent a packet outside.
func (x *scenario) nothingOutside(t *testing.T) {
	t.Helper()
	total := must(x.l.Network.Outside())(t)
	for _, h := range x.hosts {
		total += must(h.Outside())(t)
	}
	t.Logf("packets to the outside: %d; names that were asked for: %v", total, x.l.Network.Asked())
	if total != 0 {
		t.Errorf("%d packets went outside: %s", total, must(x.l.Network.Dialled())(t))
	}
}

// timed measures what a step takes.
func (x *scenario) timed(t *testing.T, figure string, do func()) {
	t.Helper()
	began := time.Now()
	do()
	x.figures.set(t, figure, time.Since(began).Seconds())
}

// 1: a bundle with a definition is landed, and three hosts become a cluster of it.
func (x *scenario) form(t *testing.T, of stack) {
	definition := x.build(of)
	bundle := x.bundle(definition)
	x.site.landfall("bundle", "import", bundle, "--key", x.at("team.pub"))
	x.site.landfall("definition", "check", of.ref())
	x.linkAll()
	file := x.at("cluster.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, clusterFile, of.ref()), 0o644); err != nil {
		t.Fatal(err)
	}
	before, _, _ := x.l.Network.Carried(x.site.space.Name)
	x.timed(t, "form.seconds", func() { x.site.landfall("cluster", "create", "-f", file, "--wait", "--json") })
	if plain, measured := x.figures.get("baseline.form.seconds"); measured {
		took, _ := x.figures.get("form.seconds")
		x.figures.set(t, "form.over.baseline", took/plain)
	}
	after, _, _ := x.l.Network.Carried(x.site.space.Name)
	x.figures.set(t, "form.MiB", float64(after-before)/(1<<20))
	x.site.landfall("cluster", "get", "shop") // for the transcript
	if c := x.cluster(); c.Phase != "running" || c.Running != of.ref() {
		t.Fatalf("the cluster is %+v", c)
	}
	answering(t, x.hosts)
	x.imagesAre(t, of)
}

// imagesAre proves that each pod runs an image of the definition, by its digest.
func (x *scenario) imagesAre(t *testing.T, s stack) {
	t.Helper()
	set := must(makeImages(x.p))(t)
	for name, id := range x.podImages() {
		want := set.Digest(name)
		t.Logf("%s from %s", name, id)
		if want == "" || !strings.HasSuffix(id, want) {
			t.Errorf("%s is %s, want %s", name, id, want)
		}
		if strings.HasPrefix(name, "example.test/app:") && name != "example.test/app:"+s.app {
			t.Errorf("%s runs, want version %s", name, s.app)
		}
	}
}

// land brings a definition with what the site lacks of it.
func (x *scenario) land(t *testing.T, s stack) {
	t.Helper()
	receipt := x.at("site.receipt")
	x.site.landfall("receipt", "-o", receipt)
	bundle := x.bundle(x.build(s), "--for", receipt)
	if info, err := os.Stat(bundle); err == nil {
		x.figures.set(t, "bundle."+s.version+".MiB", float64(info.Size())/(1<<20))
	}
	x.site.landfall("bundle", "import", bundle, "--key", x.at("team.pub"))
	x.site.landfall("definition", "check", s.ref())
}

// watched does something while the client calls; it returns the calls that failed.
func (x *scenario) watched(t *testing.T, do func()) {
	t.Helper()
	c := startClient(t.Context(), addresses(x.hosts)...)
	defer func() {
		text, failed := verdict(c.end())
		t.Log("client:", text)
		if len(failed) > 0 {
			t.Errorf("%d calls have failed", len(failed))
		}
	}()
	do()
}

// 2: a thin bundle brings the next minor version and the next application.
func (x *scenario) upgrade(t *testing.T) {
	x.land(t, two)
	x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--plan") // for the transcript
	x.watched(t, func() {
		x.carriedOnce(t, func() {
			x.timed(t, "stage.seconds", func() { x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--stage", "--wait") })
		})
		x.timed(t, "upgrade.seconds", func() { x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--run", "--wait") })
	})
	x.site.landfall("cluster", "get", "shop") // for the transcript
	if c := x.cluster(); c.Phase != "running" || c.Running != two.ref() || c.Previous != one.ref() {
		t.Fatalf("the cluster is %+v", c)
	}
	x.overhead(t)
	x.nodesAre(t, second)
	x.imagesAre(t, two)
}

// overhead compares what rolling each host took with plain kubeadm, if that was measured.
func (x *scenario) overhead(t *testing.T) {
	t.Helper()
	for _, s := range x.cluster().Run.Steps {
		if s.Phase != "roll" {
			continue
		}
		took := s.Ended.Sub(s.Began).Seconds()
		x.figures.set(t, "upgrade."+s.Host+".seconds", took)
		if plain, measured := x.figures.get("baseline.upgrade." + s.Host + ".seconds"); measured {
			x.figures.set(t, "upgrade."+s.Host+".overhead.seconds", took-plain)
		}
	}
}

// carriedOnce stages, and compares what the appliance has sent with what the plan has
// said that hosts lack.
func (x *scenario) carriedOnce(t *testing.T, stage func()) {
	t.Helper()
	var preview struct{ Hosts []struct{ Bytes int64 } }
	if err := json.Unmarshal([]byte(x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--plan", "--json")), &preview); err != nil {
		t.Fatal(err)
	}
	lacking := int64(0)
	for _, h := range preview.Hosts {
		lacking += h.Bytes
	}
	before, _, err := x.l.Network.Carried(x.site.space.Name)
	if err != nil || lacking == 0 {
		t.Fatalf("%d bytes are lacking: %v", lacking, err)
	}
	stage()
	after, _, err := x.l.Network.Carried(x.site.space.Name)
	if err != nil {
		t.Fatal(err)
	}
	ratio := float64(after-before) / float64(lacking)
	x.figures.set(t, "stage.MiB", float64(after-before)/(1<<20))
	x.figures.set(t, "stage.sent.over.lacking", ratio)
	if ratio > 1.1 {
		t.Errorf("the appliance has sent %d bytes, %d were lacking", after-before, lacking)
	}
}

func (x *scenario) nodesAre(t *testing.T, version string) {
	t.Helper()
	said := must(kubectl(t.Context(), x.hosts[0], "get", "nodes", "-o", `jsonpath={range .items[*]}{.status.nodeInfo.kubeletVersion}{" "}{.spec.unschedulable}{"\n"}{end}`))(t)
	if want := strings.Repeat("v"+version+" \n", len(x.hosts)); said != want {
		t.Errorf("nodes are %q, want %q", said, want)
	}
}

// 3a: a definition came without one of its images. The gate says so, and nothing is done.
func (x *scenario) missing(t *testing.T) {
	x.site.landfall("definition", "push", x.build(absent))
	before := x.cluster()
	x.watched(t, func() {
		for _, do := range []string{"--stage", "--run"} {
			x.refused(4, "example.test/app:3", "cluster", "upgrade", "shop", "--to", absent.ref(), do, "--wait")
		}
	})
	if after := x.cluster(); after.Running != before.Running || after.Previous != before.Previous || after.Phase != before.Phase {
		t.Errorf("refused, and the cluster is %+v after %+v", after, before)
	}
}

// stops proves that an upgrade stops with a reason and that the way back leads to where
// it came from.
func (x *scenario) stops(t *testing.T, s stack, reason string) {
	t.Helper()
	x.land(t, s)
	x.watched(t, func() {
		if _, err := x.try("cluster", "upgrade", "shop", "--to", s.ref(), "--run", "--wait"); err == nil {
			t.Fatal("the upgrade went through")
		}
		c := x.cluster()
		if c.Phase != "stopped" || !strings.Contains(c.Reason, reason) || c.Next == "" {
			t.Errorf("the cluster is %q because of %q, next %q; want stopped because of %q", c.Phase, c.Reason, c.Next, reason)
		}
		x.timed(t, "rollback."+s.version+".seconds", func() { x.site.landfall("cluster", "rollback", "shop", "--wait") })
	})
	if c := x.cluster(); c.Phase != "running" || c.Running != two.ref() {
		t.Fatalf("brought back, the cluster is %+v", c)
	}
	x.nodesAre(t, second)
	x.imagesAre(t, two)
}

// 3b: the application's new version does not start.
func (x *scenario) brokenApp(t *testing.T) { x.stops(t, ill, "app") }

// 3c: the kubelet's new unit does not start: the first host fails, no other is touched.
func (x *scenario) brokenKubelet(t *testing.T) { x.stops(t, lame, x.hosts[0].Name) }

// 5a: nothing that a cluster needs is collected at the site.
func (x *scenario) collection(t *testing.T) {
	x.site.landfall("content", "collect")
	x.site.landfall("definition", "check", one.ref())
	x.site.landfall("definition", "check", two.ref())
	x.refused(1, "pinned by cluster/shop/running", "content", "rm", "definitions.landfall.dev/"+two.ref())
}

// 5b: nothing that a cluster needs is collected on a host; and what a host has lost
// nevertheless comes from the site again.
func (x *scenario) kubeletsCollection(t *testing.T) {
	ctx := t.Context()
	before := must(x.hosts[1].Exec(ctx, "ctr", "-n", "k8s.io", "images", "ls", "-q"))(t)
	x.watched(t, func() {
		x.forceCollection(t)
		if after := must(x.hosts[1].Exec(ctx, "ctr", "-n", "k8s.io", "images", "ls", "-q"))(t); !containsLines(after, before, "scratch.test/") {
			t.Errorf("images before the kubelet's collection:\n%s\nafter it:\n%s", before, after)
		}
		for _, h := range x.hosts {
			must(h.Exec(ctx, "ctr", "-n", "k8s.io", "images", "rm", "example.test/app:2"))(t)
		}
		must(kubectl(ctx, x.hosts[0], "rollout", "restart", "deployment/app"))(t)
		must(kubectl(ctx, x.hosts[0], "rollout", "status", "deployment/app", "--timeout=180s"))(t)
	})
	x.imagesAre(t, two)
}

// forceCollection has a kubelet collect images as if its disk was full, and waits until
// one that nobody needs is gone.
func (x *scenario) forceCollection(t *testing.T) {
	t.Helper()
	ctx, h := t.Context(), x.hosts[1]
	const spare = "scratch.test/spare:1"
	must(h.Exec(ctx, "ctr", "-n", "k8s.io", "images", "tag", "example.test/status:1", spare))(t)
	must(h.Exec(ctx, "ctr", "-n", "k8s.io", "images", "label", spare, "io.cri-containerd.pinned=", "io.cri-containerd.image=managed"))(t)
	const limits = "imageGCHighThresholdPercent: 2\nimageGCLowThresholdPercent: 1\nimageMinimumGCAge: 1s\n"
	const config = "/var/lib/kubelet/config.yaml"
	must(h.Exec(ctx, "sh", "-c", `cp "$1" "$1.kept" && sed -i '/^imageGC\|^imageMinimumGCAge/d' "$1" && printf "$2" >> "$1" && systemctl restart kubelet`, "sh", config, limits))(t)
	eventually(t, 12*time.Minute, "the kubelet's collection of images", func() (bool, string) {
		said, err := h.Exec(ctx, "journalctl", "-u", "kubelet", "--no-pager", "-n", "2000", "-g", "[Ii]mage garbage collect|Disk usage on image filesystem")
		return err == nil && strings.Contains(said, "image"), said
	})
	must(h.Exec(ctx, "sh", "-c", `mv "$1.kept" "$1" && systemctl restart kubelet`, "sh", config))(t)
}

// containsLines says whether a text has all lines of another, but those that begin like
// except.
func containsLines(text, lines, except string) bool {
	for line := range strings.Lines(lines) {
		if !strings.HasPrefix(line, except) && !strings.Contains(text, line) {
			return false
		}
	}
	return true
}
