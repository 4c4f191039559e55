// Package inventory reads what a machine is, as its appliance wants to know it: from
// /proc, /sys and /etc, without running anything and without changing anything. What
// cannot be known is left out.
package inventory

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Options say what is read. The zero value reads this machine.
type Options struct {
	Root    string   // below which /proc, /sys and /etc are; "/" when empty
	Folders []string // whose file systems are told; those that Kubernetes fills when nil
	// Runtime tells how the container runtime is; nil: it is left out.
	Runtime func(ctx context.Context) host.Runtime
}

var defaultFolders = []string{"/", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd", "/var/log"}

// What of a kernel is told.
var (
	modules = []string{"overlay", "br_netfilter", "nf_conntrack", "vxlan", "ip_tables", "nf_tables", "ip_vs"}
	sysctls = []string{"net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.ipv4.conf.all.rp_filter", "vm.overcommit_memory", "kernel.panic", "fs.inotify.max_user_instances"}
)

// reader reads files below a root.
type reader string

func (r reader) path(name string) string { return filepath.Join(string(r), name) }

// text is a file's content without blanks around it, "" when it cannot be read.
func (r reader) text(name string) string {
	content, err := os.ReadFile(r.path(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// Read reads the inventory of a machine.
func Read(ctx context.Context, opts Options) host.Inventory {
	r := reader(opts.Root)
	if r == "" {
		r = "/"
	}
	folders := opts.Folders
	if folders == nil {
		folders = defaultFolders
	}
	i := host.Inventory{At: time.Now().UTC(), Platform: runtime.GOOS + "/" + runtime.GOARCH, MachineID: r.text("etc/machine-id"), ProductID: r.productID(),
		BootID: r.text("proc/sys/kernel/random/boot_id"), OS: r.osName(), Kernel: r.kernel(), Hardware: r.hardware(), Networks: r.networks()}
	i.Hostname, _ = os.Hostname()
	for _, f := range folders {
		if d, ok := r.disk(f); ok {
			i.Disks = append(i.Disks, d)
		}
	}
	i.Time.Synchronized = synchronized()
	if opts.Runtime != nil {
		i.Runtime = opts.Runtime(ctx)
	}
	i.Health = health(&i)
	return i
}

// productID is the firmware's UUID; those that makers forgot to set are none.
func (r reader) productID() string {
	id := strings.ToLower(r.text("sys/class/dmi/id/product_uuid"))
	if strings.Trim(id, "0-") == "" || strings.Trim(id, "f-") == "" || strings.HasPrefix(id, "03000200-0400-0500-0006") {
		return ""
	}
	return id
}

func (r reader) osName() string {
	for _, file := range []string{"etc/os-release", "usr/lib/os-release"} {
		for line := range strings.Lines(r.text(file)) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(value, `"'`)
			}
		}
	}
	return ""
}

func (r reader) hardware() host.Hardware {
	h := host.Hardware{Vendor: r.text("sys/class/dmi/id/sys_vendor"), Product: r.text("sys/class/dmi/id/product_name"), Serial: r.text("sys/class/dmi/id/product_serial"),
		Cores: runtime.NumCPU(), Memory: r.memory("MemTotal:")}
	for line := range strings.Lines(r.text("proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			h.CPU = strings.TrimSpace(value)
			break
		}
	}
	return h
}

// memory is a figure of /proc/meminfo, in bytes.
func (r reader) memory(name string) int64 {
	for line := range strings.Lines(r.text("proc/meminfo")) {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == name {
			kib, _ := strconv.ParseInt(words[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

func (r reader) kernel() host.Kernel {
	k := host.Kernel{Release: r.text("proc/sys/kernel/osrelease"), Modules: map[string]bool{}, Sysctls: map[string]string{}, Cgroup: 1}
	if _, err := os.Stat(r.path("sys/fs/cgroup/cgroup.controllers")); err == nil {
		k.Cgroup = 2
	}
	for _, m := range modules {
		k.Modules[m] = r.module(k.Release, m)
	}
	for _, s := range sysctls {
		if value := r.text("proc/sys/" + strings.ReplaceAll(s, ".", "/")); value != "" {
			k.Sysctls[s] = value
		}
	}
	k.Swap = r.memory("SwapTotal:")
	return k
}

// module reports whether a kernel has a module: loaded, built in, or in its folder.
func (r reader) module(release, name string) bool {
	if _, err := os.Stat(r.path("sys/module/" + name)); err == nil {
		return true
	}
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		if r.lists(filepath.Join("lib/modules", release, list), "/"+name+".ko") || r.lists(filepath.Join("lib/modules", release, list), "/"+strings.ReplaceAll(name, "_", "-")+".ko") {
			return true
		}
	}
	if name == "overlay" && strings.Contains(r.text("proc/filesystems"), "\toverlay") {
		return true
	}
	return signs[name] != "" && r.there(signs[name])
}

// signs are files that are there only when something is in the kernel.
var signs = map[string]string{
	"br_netfilter": "proc/sys/net/bridge/bridge-nf-call-iptables", "nf_conntrack": "proc/sys/net/netfilter/nf_conntrack_max", "ip_tables": "proc/net/ip_tables_names", "ip_vs": "proc/net/ip_vs",
}

func (r reader) there(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// lists reports whether a line of a file has a text before its first colon.
func (r reader) lists(file, text string) bool {
	f, err := os.Open(r.path(file))
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, _, _ := strings.Cut(s.Text(), ":"); strings.Contains(name, text) {
			return true
		}
	}
	return false
}

// networks are those of the machine itself: what containers make is left out.
func (r reader) networks() (list []host.Network) {
	found, err := net.Interfaces()
	if err != nil {
		return nil
	}
	way := r.defaultRoute()
	for _, i := range found {
		if i.Flags&net.FlagLoopback != 0 || made(i.Name) {
			continue
		}
		n := host.Network{Name: i.Name, MAC: i.HardwareAddr.String(), Up: i.Flags&net.FlagUp != 0, Default: i.Name == way}
		addresses, _ := i.Addrs() // an interface that went meanwhile has none
		for _, a := range addresses {
			n.Addresses = append(n.Addresses, a.String())
		}
		list = append(list, n)
	}
	return list
}

func made(name string) bool {
	for _, start := range []string{"veth", "cni", "flannel", "cali", "docker", "br-", "lxc", "kube-"} {
		if strings.HasPrefix(name, start) {
			return true
		}
	}
	return false
}

// defaultRoute is the interface that the default route goes through.
func (r reader) defaultRoute() string {
	for line := range strings.Lines(r.text("proc/net/route")) {
		words := strings.Fields(line)
		if len(words) > 7 && words[1] == "00000000" && words[7] == "00000000" {
			return words[0]
		}
	}
	return ""
}

// disk is the file system of a folder, or of the nearest one above it that is there.
func (r reader) disk(folder string) (d host.Disk, ok bool) {
	at := folder
	for at != "/" && !r.there(at) {
		at = filepath.Dir(at)
	}
	if at != folder && folder != "/" {
		return d, false // it is told with the one above it
	}
	var s unix.Statfs_t
	if err := unix.Statfs(r.path(at), &s); err != nil {
		return d, false
	}
	d = host.Disk{Path: folder, Size: int64(s.Blocks) * s.Bsize, Free: int64(s.Bavail) * s.Bsize}
	longest := -1
	for line := range strings.Lines(r.text("proc/self/mounts")) {
		words := strings.Fields(line)
		if len(words) < 3 || len(words[1]) < longest || at != words[1] && !strings.HasPrefix(at, strings.TrimSuffix(words[1], "/")+"/") {
			continue
		}
		longest = len(words[1])
		d.Device, d.Mount, d.Type = words[0], words[1], words[2]
	}
	return d, true
}

// synchronized reports whether the kernel says that something keeps its clock right.
func synchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}

// low is the part of a file system that is to stay free, as one of so many.
const low = 20

func health(i *host.Inventory) (list []host.Finding) {
	warn := func(check, format string, args ...any) {
		list = append(list, host.Finding{Check: check, Severity: host.Warning, Text: fmt.Sprintf(format, args...)})
	}
	for _, d := range i.Disks {
		if d.Size > 0 && d.Free < d.Size/low {
			warn("disk", "%s has %s of %s free", d.Path, units.Bytes(d.Free), units.Bytes(d.Size))
		}
	}
	if !i.Time.Synchronized {
		warn("time", "nothing keeps the clock right: let it follow a time server of the site")
	}
	if i.Kernel.Swap > 0 {
		warn("swap", "swap is in use")
	}
	if i.Runtime.Name != "" && !i.Runtime.Ready {
		warn("runtime", "%s does not answer at %s", i.Runtime.Name, i.Runtime.Endpoint)
	}
	return list
}
