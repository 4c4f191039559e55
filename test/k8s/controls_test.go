package k8s

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// virtualAddress is that of the control plane of three hosts.
const virtualAddress = "10.77.0.100"

const controlsFile = `apiVersion: landfall.dev/v1alpha1
kind: Cluster
metadata: {name: shop}
spec:
  definition: %s
  controlPlane: {hosts: [edge1, edge2, edge3], workloads: true}
  network: {pods: 10.244.0.0/16, services: 10.96.0.0/16, proxyMode: iptables, virtualAddress: ` + virtualAddress + `}
  upgrade: {drain: 5m, health: 5m}
  kubeadm:
    ignorePreflightErrors: [SystemVerification]
    kubelet: {failCgroupV1: false, evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}}
    proxy: {conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
`

// Three control planes behind a virtual address are formed and upgraded, and the cluster
// goes on when one of them has no power. kube-vip is played by a stand-in.
func TestControlPlanes(t *testing.T) {
	p := built(t)
	l := openLab(t, p, "controls")
	x := &scenario{connected: newConnected(t, l, p), site: newSite(t, l, p), figures: newFigures(t)}
	x.furnish()
	x.site.landfall("bundle", "import", x.bundle(x.build(one)), "--key", x.at("team.pub"))
	x.linkAll()
	file := x.at("cluster.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, controlsFile, one.ref()), 0o644); err != nil {
		t.Fatal(err)
	}
	x.timed(t, "controls.form.seconds", func() { x.site.landfall("cluster", "create", "-f", file, "--wait") })
	answering(t, x.hosts)
	x.imagesAre(t, one)
	t.Run("the first one loses its power", x.leaderLost)
	x.land(t, two)
	x.watched(t, func() {
		x.timed(t, "controls.upgrade.seconds", func() { x.site.landfall("cluster", "upgrade", "shop", "--to", two.ref(), "--run", "--wait") })
	})
	x.nodesAre(t, second)
	x.imagesAre(t, two)
	x.nothingOutside(t)
}

// leaderLost takes the power of the host that has the virtual address, and gives it back
// when another one has taken the address over.
func (x *scenario) leaderLost(t *testing.T) {
	ctx := t.Context()
	var holder, other *lab.Host
	for _, h := range x.hosts {
		if _, err := h.Exec(ctx, "sh", "-c", "ip -br addr show | grep -qF "+virtualAddress+"/"); err == nil {
			holder = h
		} else {
			other = h
		}
	}
	if holder == nil || other == nil {
		t.Fatal("no host has the virtual address, or all have it")
	}
	if err := holder.Down(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, 2*time.Minute, "the API server at the virtual address", func() (bool, string) {
		said, err := kubectl(ctx, other, "--server", "https://"+virtualAddress+":6443", "--request-timeout=3s", "get", "--raw", "/readyz")
		return err == nil, fmt.Sprint(said, err)
	})
	x.figures.set(t, "controls.takeover.seconds", time.Since(began).Seconds())
	if err := holder.Up(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, 3*time.Minute, "all nodes", func() (bool, string) {
		said, err := kubectl(ctx, other, "wait", "--for=condition=Ready", "node", "--all", "--timeout=5s")
		return err == nil, fmt.Sprint(said, err)
	})
}
