package inventory

import (
	"bufio"
	"io"
	"os"
	"path"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// What of a kernel is told.
var (
	modules = []string{"overlay", "br_netfilter", "nf_conntrack", "vxlan", "ip_tables", "nf_tables", "ip_vs"}
	sysctls = []string{"net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.ipv4.conf.all.rp_filter", "kernel.panic", "vm.overcommit_memory", "fs.inotify.max_user_instances"}
)

// signs are files that are there only when something is in the kernel, for kernels that
// have it built in and do not say so.
var signs = map[string]string{
	"br_netfilter": "proc/sys/net/bridge/bridge-nf-call-iptables",
	"nf_conntrack": "proc/sys/net/netfilter/nf_conntrack_max",
	"ip_tables":    "proc/net/ip_tables_names",
	"ip_vs":        "proc/net/ip_vs",
}

func (r reader) kernel() host.Kernel {
	k := host.Kernel{Release: r.text("proc/sys/kernel/osrelease"), Sysctls: map[string]string{}, Cgroup: r.cgroup(), Swap: memory(r.text("proc/meminfo"), "SwapTotal:")}
	k.Modules = r.modules(k.Release)
	for _, s := range sysctls {
		if value := r.text("proc/sys/" + strings.ReplaceAll(s, ".", "/")); value != "" {
			k.Sysctls[s] = value
		}
	}
	return k
}

// cgroup is the version of the hierarchy; 0 when there is none.
func (r reader) cgroup() int {
	switch {
	case r.there("sys/fs/cgroup/cgroup.controllers"):
		return 2
	case r.there("sys/fs/cgroup/memory"), r.there("sys/fs/cgroup/cpu"):
		return 1
	}
	return 0
}

// modules says of each that is wanted whether it is there: loaded, built in, or in the
// kernel's folder, from where it is loaded when somebody needs it.
func (r reader) modules(release string) map[string]bool {
	folder := "lib/modules/" + release
	has := map[string]bool{}
	if release != "" && !strings.Contains(release, "/") {
		r.listed(folder+"/modules.builtin", has)
		r.listed(folder+"/modules.dep", has)
	}
	for _, row := range rows(r.text("proc/filesystems"), 1) {
		has[row[len(row)-1]] = true // overlay is one
	}
	found := map[string]bool{}
	for _, m := range modules {
		found[m] = has[m] || r.there("sys/module/"+m) || signs[m] != "" && r.there(signs[m])
	}
	return found
}

// listed adds the modules of a list of files.
func (r reader) listed(file string, has map[string]bool) {
	f, err := os.Open(r.path(file))
	if err != nil {
		return
	}
	defer f.Close()
	addModules(f, has)
}

// addModules reads names of files, each at the beginning of its line:
// "kernel/fs/overlayfs/overlay.ko.xz: …". A dash in a file's name is as good as a low
// line.
func addModules(from io.Reader, has map[string]bool) {
	s := bufio.NewScanner(from)
	s.Buffer(nil, maxFile) // some modules need many others
	for s.Scan() {
		name, _, _ := strings.Cut(s.Text(), ":")
		if name, _, ok := strings.Cut(path.Base(name), ".ko"); ok {
			has[strings.ReplaceAll(name, "-", "_")] = true
		}
	}
}
