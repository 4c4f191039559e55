package k8s

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/fleet"
)

// What the fleet is measured with, and what it may take.
const (
	fleetHosts  = 200
	fleetWaves  = 10        // in which they are rolled
	fleetMemory = 256 << 20 // bytes of the appliance's, at most, ever
	fleetBytes  = 1.1       // over the link to hosts, of those that the definition has for them
	countEnv    = "LANDFALL_FLEET_HOSTS"
)

// Two hundred hosts are linked, become a cluster of a definition, get another one's
// content ahead, and are rolled to it in waves: agents and their protocol, the appliance
// and the control plane are real, machines are stood in for (see package fleet). Figures
// are of the appliance.
func TestFleet(t *testing.T) {
	p := built(t)
	x := newFleet(t, p)
	x.link()
	x.idle()
	x.run("form", func() { x.form() })
	x.run("stage", func() { x.move("stage") })
	x.run("roll", func() { x.move("upgrade") })
	x.sum()
}

// fleetTest is a fleet at an appliance that is watched.
type fleetTest struct {
	t       *testing.T
	figures *figures
	fleet   *fleet.Fleet
	site    *watched
	proxy   *fleet.Proxy
	count   int
	bytes   map[string]int64 // that a host has to fetch of a definition, by version
	known   map[string]bool  // blobs that are in them
}

func newFleet(t *testing.T, p parts) *fleetTest {
	x := &fleetTest{t: t, figures: newFigures(t), count: fleetHosts, bytes: map[string]int64{}, known: map[string]bool{}}
	if n, err := strconv.Atoi(os.Getenv(countEnv)); err == nil {
		x.count = n
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(p.Run); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(os.RemoveAll(p.Run), os.MkdirAll(p.Run, 0o755)); err != nil {
		t.Fatal(err)
	}
	// All addresses of the fleet are this machine's.
	if said, err := exec.Command("ip", "route", "replace", "local", fleet.Network, "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	x.site = watch(t, filepath.Join(p.Run, "fleet-site"))
	x.land(p)
	x.proxy = must(fleet.NewProxy(fleetRegistry, fleetAppliance+":5443"))(t)
	dir := filepath.Join("/run", "fleet") // in memory: hosts' disks are not this one
	x.fleet = fleet.New(fleet.Options{Dir: dir, Count: x.count, Server: fleetHostsURL, Token: x.site.token, Etcd: p.Etcd, Kubernetes: p.Kubernetes,
		Log: slog.New(slog.NewTextHandler(must(os.Create(filepath.Join(out(t), "fleet.log")))(t), nil))})
	t.Cleanup(func() {
		if err := x.fleet.Close(); err != nil {
			t.Error(err)
		}
		x.keepLogs(dir)
		if err := x.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// keepLogs keeps what the control plane said.
func (x *fleetTest) keepLogs(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "control", "*.log"))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(out(x.t), "fleet-"+filepath.Base(file)), content, 0o644)
		}
		if err != nil {
			x.t.Error(err)
		}
	}
}

// link links all hosts, and waits until all wait for work.
func (x *fleetTest) link() {
	x.t.Helper()
	m := x.measure()
	const atOnce = 20
	if err := x.fleet.Link(x.t.Context(), atOnce); err != nil {
		x.t.Fatal(err)
	}
	eventually(x.t, time.Minute, "linked hosts", func() (bool, string) {
		var list []struct{ Online bool }
		err := x.site.call("GET", "/fleet", nil, &list)
		online := 0
		for _, h := range list {
			if h.Online {
				online++
			}
		}
		return err == nil && online == x.count, fmt.Sprint(online, " are online ", err)
	})
	m.tell(x, "link")
}

// idle is what the fleet costs when nothing is to be done.
func (x *fleetTest) idle() {
	x.t.Helper()
	const length = time.Minute
	m := x.measure()
	<-time.After(length) // it is the time that is measured
	m.tell(x, "idle")
}

// run does something, and measures it.
func (x *fleetTest) run(name string, do func()) {
	x.t.Helper()
	sent, moved, m := x.proxy.Sent.Load(), x.fleet.Moved(), x.measure()
	do()
	took := m.tell(x, name)
	eventually(x.t, time.Minute, "the end of transfers", func() (bool, string) {
		n := x.proxy.Open()
		return n == 0, fmt.Sprint(n, " connections are open")
	})
	wire := x.proxy.Sent.Load() - sent
	x.t.Logf("%s: %.1f MiB over the link, %.1f MiB of images, %d connections so far", name, mib(wire), mib(x.fleet.Moved()-moved), x.proxy.Connections.Load())
	x.figures.set(x.t, "fleet."+name+".link.MiB", mib(wire))
	x.figures.set(x.t, "fleet."+name+".link.MiBPerSecond", mib(wire)/took.Seconds())
	if err := x.fleet.Problems(); err != nil {
		x.t.Error(err)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

const fleetCluster = `apiVersion: landfall.dev/v1alpha1
kind: Cluster
metadata: {name: shop}
spec:
  definition: %s
  source: {type: embedded, url: "https://%s"}
  controlPlane: {hosts: [%s]}
  workers: [{name: workers, hosts: %s}]
  network: {pods: 10.244.0.0/16, services: 10.96.0.0/16}
  upgrade: {wave: %d, drain: 5m, health: 10m}
`

func (x *fleetTest) form() {
	x.t.Helper()
	names := x.fleet.Names()
	workers := must(json.Marshal(names[1:]))(x.t)
	document := fmt.Sprintf(fleetCluster, fleetDefinition(first), fleetRegistry, names[0], workers, max(x.count/fleetWaves, 1))
	if err := x.site.call("POST", "/clusters", map[string]string{"document": document}, nil); err != nil {
		x.t.Fatal(err)
	}
	x.await("form", fleetDefinition(first))
	x.moved(first)
}

// move stages the second definition, or brings the cluster to it.
func (x *fleetTest) move(how string) {
	x.t.Helper()
	if err := x.site.call("POST", "/clusters/shop/"+how, map[string]string{"to": fleetDefinition(second)}, nil); err != nil {
		x.t.Fatal(err)
	}
	if how == "stage" {
		x.await("stage", fleetDefinition(first))
		x.moved(second)
		return
	}
	x.await("upgrade", fleetDefinition(second))
}

// moved proves how much was moved to all hosts together, since the last time.
func (x *fleetTest) moved(version string) {
	x.t.Helper()
	x.t.Logf("hosts need %.1f MiB of %s each", mib(x.bytes[version]), fleetDefinition(version))
	x.figures.set(x.t, "fleet.bytes."+version+".MiB", mib(x.bytes[version]))
}

// await waits for the end of a run, and tells how long its phases took.
func (x *fleetTest) await(kind, running string) {
	x.t.Helper()
	var c fleetState
	eventually(x.t, 20*time.Minute, kind, func() (bool, string) {
		if err := x.site.call("GET", "/clusters/shop", nil, &c); err != nil {
			return false, err.Error()
		}
		if c.Phase == "stopped" {
			x.t.Fatalf("%s has stopped: %s", kind, c.Reason)
		}
		return c.Run.Kind == kind && c.Run.State == "done", fmt.Sprintf("%s, %d of %d steps: %s", c.Phase, c.Run.Done, c.Run.Total, c.Next)
	})
	if c.Running != running {
		x.t.Errorf("the cluster runs %s, want %s", c.Running, running)
	}
	for _, phase := range c.phases() {
		x.figures.set(x.t, "fleet."+kind+"."+phase.name+".seconds", phase.took.Seconds())
	}
}

// sum holds what was measured against what it may be.
func (x *fleetTest) sum() {
	x.t.Helper()
	peak := x.site.peak()
	x.figures.set(x.t, "fleet.appliance.peak.MiB", mib(peak))
	if peak > fleetMemory {
		x.t.Errorf("the appliance took %.0f MiB, want %d at most", mib(peak), fleetMemory>>20)
	}
	ratio := float64(x.proxy.Sent.Load()) / float64(int64(x.count)*(x.bytes[first]+x.bytes[second]))
	x.figures.set(x.t, "fleet.link.bytesOfDefinition", ratio)
	if ratio > fleetBytes {
		x.t.Errorf("%.3f times the definitions' bytes went over the link, want %.1f at most", ratio, fleetBytes)
	}
	eventually(x.t, 2*time.Minute, "all hosts with the second provider", func() (bool, string) {
		n, err := x.have(second)
		return err == nil && n == x.count, fmt.Sprint(n, " hosts have it ", err)
	})
}

// have is how many hosts are online and tell that they have a version of the provider in
// place.
func (x *fleetTest) have(version string) (n int, err error) {
	var list []struct {
		Online    bool
		Inventory struct {
			Providers []struct {
				Version string
				Current bool
			}
		}
	}
	err = x.site.call("GET", "/fleet", nil, &list)
	for _, h := range list {
		for _, p := range h.Inventory.Providers {
			if h.Online && p.Current && p.Version == version {
				n++
			}
		}
	}
	return n, err
}
