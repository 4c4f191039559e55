package k8s

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// members are the names of the cluster's nodes.
func (x *scenario) members(t *testing.T) []string {
	t.Helper()
	said := must(kubectl(t.Context(), x.hosts[0], "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`))(t)
	return strings.Fields(said)
}

// 6a: a worker leaves and is clean; then it joins again, in a pool of its own. What runs
// goes on.
func (x *scenario) scale(t *testing.T) {
	leaving := x.hosts[2]
	x.site.landfall("cluster", "scale", "shop", "--remove", "edge3", "--plan")
	c := startClient(t.Context(), addresses(x.hosts[:2])...)
	x.timed(t, "scale.down.seconds", func() { x.site.landfall("cluster", "scale", "shop", "--remove", "edge3", "--wait") })
	text, failed := verdict(c.end())
	if t.Log("client:", text); len(failed) > 0 {
		t.Errorf("%d calls have failed", len(failed))
	}
	if got := x.members(t); !slices.Equal(got, []string{"edge1", "edge2"}) {
		t.Errorf("nodes are %q", got)
	}
	// Data folders are mounts here, which nobody can remove.
	if said := must(leaving.Exec(t.Context(), "sh", "-c", "ls -A /etc/kubernetes /var/lib/kubelet /var/lib/containerd 2>/dev/null | grep -v ':$' || true"))(t); strings.TrimSpace(said) != "" {
		t.Errorf("left on a host that has left: %s", said)
	}
	x.refused(6, "control plane", "cluster", "scale", "shop", "--remove", "edge1", "--add", "edge3=control-plane")
	x.watched(t, func() {
		x.timed(t, "scale.up.seconds", func() { x.site.landfall("cluster", "scale", "shop", "--add", "edge3=spare", "--wait") })
	})
	if got := x.members(t); !slices.Equal(got, []string{"edge1", "edge2", "edge3"}) {
		t.Errorf("nodes are %q", got)
	}
	if pool := must(kubectl(t.Context(), x.hosts[0], "get", "node", "edge3", "-o", `jsonpath={.metadata.labels.landfall\.dev/pool}`))(t); pool != "spare" {
		t.Errorf("edge3 is in pool %q", pool)
	}
	x.nodesAre(t, second)
	x.imagesAre(t, two)
}

// 6b: what a variable that the definition does not have would change is refused; the
// cluster stays.
func (x *scenario) setVariables(t *testing.T) {
	before := x.cluster()
	if _, err := x.try("cluster", "set", "shop", "no-such-variable=1", "--plan"); err == nil {
		t.Error("a variable that is not there was taken")
	}
	if after := x.cluster(); after.Run.Kind != before.Run.Kind || after.Phase != before.Phase {
		t.Errorf("the cluster is %+v after %+v", after, before)
	}
}

// 6c: certificates are new, and all that holds them works with the new ones.
func (x *scenario) renewCertificates(t *testing.T) {
	ends := func() time.Time {
		var c struct{ Certificates struct{ Ends time.Time } }
		if err := json.Unmarshal([]byte(must(x.look("cluster", "get", "shop", "--json"))(t)), &c); err != nil {
			t.Fatal(err)
		}
		return c.Certificates.Ends
	}
	before := ends()
	if before.IsZero() {
		t.Error("no certificate is told")
	}
	x.watched(t, func() {
		x.timed(t, "renew.seconds", func() { x.site.landfall("cluster", "renew-certificates", "shop", "--wait") })
	})
	eventually(t, 3*time.Minute, "the new certificates", func() (bool, string) {
		after := ends()
		return after.After(before), after.String()
	})
	x.nodesAre(t, second)
}

// 6d: nothing is otherwise; then what somebody changes by hand is told, and no more when
// it is brought back.
func (x *scenario) drift(t *testing.T) {
	drifted := func() (string, bool) {
		said, err := x.try("cluster", "drift", "shop")
		var f *lab.Failure
		switch {
		case err == nil:
			return said, false
		case !errors.As(err, &f) || f.Code != 1:
			t.Fatal(err)
		}
		return f.Said, true
	}
	if said, is := drifted(); is {
		t.Errorf("of a cluster that nobody has touched: %s", said)
	}
	ctx, h := t.Context(), x.hosts[1]
	must(kubectl(ctx, x.hosts[0], "annotate", "deployment/app", "landfall.test/by-hand=1"))(t) // what others add is theirs
	must(kubectl(ctx, x.hosts[0], "scale", "deployment/app", "--replicas=1"))(t)
	must(h.Exec(ctx, "sh", "-c", "cp /etc/crictl.yaml /etc/crictl.kept && echo >> /etc/crictl.yaml"))(t)
	said, is := drifted()
	for _, want := range []string{"edge2: file /etc/crictl.yaml is changed", "Deployment default/app", "spec.replicas"} {
		if !is || !strings.Contains(said, want) {
			t.Errorf("drift without %q: %s", want, said)
		}
	}
	if strings.Contains(said, "by-hand") {
		t.Errorf("what others have added counts as drift: %s", said)
	}
	must(h.Exec(ctx, "mv", "/etc/crictl.kept", "/etc/crictl.yaml"))(t)
}

// 6e: a cluster is backed up and taken apart; formed again of the hosts in other places it
// has all that it had.
func (x *scenario) restore(t *testing.T) {
	ctx := t.Context()
	must(kubectl(ctx, x.hosts[0], "create", "configmap", "kept", "--from-literal=text=before"))(t)
	file, key := x.at("shop.backup"), x.at("shop.key")
	x.refused(1, "not found", "cluster", "backup", "nobody", "-o", file, "--key", key)
	x.timed(t, "backup.seconds", func() { x.site.landfall("cluster", "backup", "shop", "-o", file, "--key", key) })
	if info, err := os.Stat(file); err == nil {
		x.figures.set(t, "backup.MiB", float64(info.Size())/(1<<20))
	}
	must(kubectl(ctx, x.hosts[0], "delete", "configmap", "kept"))(t)
	x.refused(6, "there is one already", "cluster", "restore", file, "--key", key)
	x.site.landfall("cluster", "delete", "shop", "--wait")
	x.refused(3, "another key", "cluster", "restore", file)
	x.timed(t, "restore.seconds", func() {
		x.site.landfall("cluster", "restore", file, "--key", key, "--hosts", "edge1=edge2,edge2=edge1", "--wait")
	})
	if c := x.cluster(); c.Phase != "running" || c.Running != two.ref() {
		t.Fatalf("the cluster is %+v", c)
	}
	x.hosts[0], x.hosts[1] = x.hosts[1], x.hosts[0] // the first one has the control plane
	if got := x.members(t); !slices.Equal(got, []string{"edge1", "edge2", "edge3"}) {
		t.Errorf("nodes are %q", got)
	}
	if text := must(kubectl(ctx, x.hosts[0], "get", "configmap", "kept", "-o", "jsonpath={.data.text}"))(t); text != "before" {
		t.Errorf("what was kept is %q", text)
	}
	must(kubectl(ctx, x.hosts[0], "rollout", "status", "deployment/app", "--timeout=180s"))(t)
	x.nodesAre(t, second)
	x.imagesAre(t, two)
}
