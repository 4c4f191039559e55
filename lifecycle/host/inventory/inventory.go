// Package inventory reads what a machine is, as its appliance wants to know it: from
// /proc, /sys and /etc, without running anything and without changing anything. What
// cannot be known is left out, and is nothing wrong.
//
// Nouns. The root is the folder below which those files, and the folders whose space is
// told, are; interfaces and the clock are always those of the machine.
package inventory

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// Options say what is read. The zero value reads this machine.
type Options struct {
	Root    string   // "/" when empty
	Folders []string // whose file systems are told; those that Kubernetes fills when nil
	// Runtime tells how the container runtime is; nil: it is left out.
	Runtime func(ctx context.Context) host.Runtime
	// Providers tell what content of providers is installed; nil: they are left out.
	Providers func() []host.Installed
}

var defaultFolders = []string{"/", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd", "/var/log"}

// Read reads the inventory of a machine. It never fails.
func Read(ctx context.Context, opts Options) host.Inventory {
	r := reader(filepath.Join("/", opts.Root))
	folders := opts.Folders
	if folders == nil {
		folders = defaultFolders
	}
	i := host.Inventory{At: time.Now().UTC(), Platform: runtime.GOOS + "/" + runtime.GOARCH, MachineID: r.machineID(), ProductID: r.productID(),
		BootID: r.text("proc/sys/kernel/random/boot_id"), OS: r.osName(), Kernel: r.kernel(), Hardware: r.hardware(),
		Disks: r.disks(folders), Networks: r.networks()}
	i.Hostname, _ = os.Hostname() // it has none, then
	synchronized, known := clock()
	i.Time.Synchronized = synchronized
	i.Time.By, i.Time.Servers = r.timeBy()
	if opts.Runtime != nil {
		i.Runtime = opts.Runtime(ctx)
	}
	if opts.Providers != nil {
		i.Providers = opts.Providers()
	}
	i.Certificates = r.certificates()
	i.Health = examine(&i, known)
	return i
}

// reader reads files below a root.
type reader string

// maxFile bounds what is read of a file, in bytes.
const maxFile = 4 << 20

func (r reader) path(name string) string { return filepath.Join(string(r), name) }

// text is a file's content without blanks around it, "" when it cannot be read.
func (r reader) text(name string) string {
	f, err := os.Open(r.path(name))
	if err != nil {
		return ""
	}
	defer f.Close()
	content, _ := io.ReadAll(io.LimitReader(f, maxFile)) // what can be read counts
	return strings.TrimSpace(string(content))
}

func (r reader) there(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// rows are the words of a text's lines, of those that have as many at least.
func rows(text string, words int) (rows [][]string) {
	for line := range strings.Lines(text) {
		if row := strings.Fields(line); len(row) >= words {
			rows = append(rows, row)
		}
	}
	return rows
}

// machineID is none in images that were not begun yet ("uninitialized").
func (r reader) machineID() string {
	id := r.text("etc/machine-id")
	if len(id) != 32 {
		return ""
	}
	return id
}

// productID is the firmware's UUID; those that makers forgot to set are none.
func (r reader) productID() string {
	id := strings.ToLower(r.text("sys/class/dmi/id/product_uuid"))
	if strings.Trim(id, "0-") == "" || strings.Trim(id, "f-") == "" || strings.HasPrefix(id, "03000200-0400-0500-0006") {
		return ""
	}
	return id
}

// osName is the name of os-release(5).
func (r reader) osName() string {
	text := r.text("etc/os-release")
	if text == "" {
		text = r.text("usr/lib/os-release")
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

func (r reader) hardware() host.Hardware {
	h := host.Hardware{Vendor: r.text("sys/class/dmi/id/sys_vendor"), Product: r.text("sys/class/dmi/id/product_name"), Serial: r.text("sys/class/dmi/id/product_serial"),
		Cores: runtime.NumCPU(), Memory: memory(r.text("proc/meminfo"), "MemTotal:")}
	if h.Product == "" { // boards without DMI have a device tree
		h.Product = strings.TrimRight(r.text("proc/device-tree/model"), "\x00")
	}
	for line := range strings.Lines(r.text("proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			h.CPU = strings.TrimSpace(value)
			break
		}
	}
	return h
}

// memory is a figure of /proc/meminfo, in bytes.
func memory(text, name string) int64 {
	for _, row := range rows(text, 2) {
		if row[0] != name {
			continue
		}
		if kib, err := strconv.ParseInt(row[1], 10, 64); err == nil && kib >= 0 && kib < 1<<52 {
			return kib << 10
		}
	}
	return 0
}

// clock reports whether the kernel says that something keeps its time right. In some
// containers it may not be asked.
func clock() (synchronized, known bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t) // Modes 0: it changes nothing
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, err == nil
}
