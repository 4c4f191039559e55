package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/host/agent"
	"github.com/landfall-dev/landfall/lifecycle/host/link"
)

// Host is one of the fleet.
type Host struct {
	Name, Address string

	fleet   *Fleet
	number  int
	dir     string
	runtime *runtime
	machine machine
	agent   *agent.Agent
	client  *link.Client
}

func newHost(f *Fleet, i int) *Host {
	h := &Host{Name: fmt.Sprintf("edge%03d", i+1), Address: address(i), fleet: f, number: i}
	h.dir = filepath.Join(f.opts.Dir, h.Name)
	h.runtime = newRuntime(filepath.Join(h.dir, "ca"))
	h.machine = machine{host: h, units: map[string]bool{}}
	return h
}

func (h *Host) root() string { return filepath.Join(h.dir, "root") }

// link opens the agent's folder and links it, as 'landfall host link' does.
func (h *Host) link(ctx context.Context) (err error) {
	for _, dir := range []string{h.root(), filepath.Join(h.dir, "ca")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	data := filepath.Join(h.dir, "data")
	log := h.fleet.opts.Log.With("host", h.Name)
	h.agent, err = agent.Open(ctx, agent.Options{Data: data, Root: h.root(), Runtime: h.runtime, Inventory: h.inventory, Log: slog.New(slog.DiscardHandler),
		Address: h.Address, Program: h.machine.program})
	if err != nil {
		return err
	}
	text, err := h.fleet.opts.Token(ctx)
	if err != nil {
		return err
	}
	token, err := link.ParseToken(text)
	if err != nil {
		return err
	}
	h.client, err = link.Link(ctx, data, link.Options{Settings: link.Settings{Address: h.Address, Log: log}, Server: h.fleet.opts.Server, Token: token,
		Name: h.Name, Version: "stand-in", Inventory: h.inventory(ctx)})
	return err
}

func (h *Host) run() {
	if err := h.agent.Run(h.fleet.ctx, counted{h.client, &h.fleet.Calls, h.fleet.opts.Log}); err != nil {
		h.fleet.problem("agent of %s: %w", h.Name, err)
	}
}

func (h *Host) close() (err error) {
	if h.client != nil {
		err = h.client.Close()
	}
	if h.agent != nil {
		err = errors.Join(err, h.agent.Close())
	}
	return err
}

// inventory is as long as that of a machine with a few disks and interfaces.
func (h *Host) inventory(ctx context.Context) host.Inventory {
	id := fmt.Sprintf("%032x", h.number+1)
	i := host.Inventory{
		At: time.Now().UTC(), Platform: "linux/amd64", MachineID: id, ProductID: id, BootID: id, Hostname: h.Name, OS: "Debian GNU/Linux 12 (bookworm)",
		Kernel: host.Kernel{Release: "6.1.0-stand-in", Cgroup: 2, Modules: map[string]bool{"overlay": true, "br_netfilter": true, "nf_conntrack": true},
			Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "net.bridge.bridge-nf-call-iptables": "1", "vm.overcommit_memory": "1"}},
		Hardware: host.Hardware{Vendor: "Landfall", Product: "stand-in", Serial: id, CPU: "one of a thought", Cores: 8, Memory: 32 << 30},
		Time:     host.Clock{Synchronized: true}, Runtime: h.runtime.Status(ctx), Providers: h.agent.Providers(),
	}
	for _, path := range []string{"/", "/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet", "/var/log"} {
		i.Disks = append(i.Disks, host.Disk{Path: path, Mount: path, Device: "/dev/nvme0n1p2", Type: "ext4", Size: 1 << 39, Free: 1 << 38})
	}
	for n, name := range []string{"eno1", "eno2", "eno3", "eno4"} {
		i.Networks = append(i.Networks, host.Network{Name: name, MAC: fmt.Sprintf("02:4c:%02x:%02x:%02x:01", n, h.number/256, h.number%256), Addresses: []string{h.Address + "/16"}, Up: true, Default: n == 0})
	}
	return i
}
