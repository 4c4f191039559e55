package inventory

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// tree makes files below a root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What files say of a machine is read, with what is not to be believed left out.
func TestRead(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"etc/machine-id":                             "0123456789abcdef0123456789abcdef\n",
		"usr/lib/os-release":                         "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"proc/sys/kernel/random/boot_id":             "boot\n",
		"proc/sys/kernel/osrelease":                  "6.1.0-18-amd64\n",
		"proc/sys/net/ipv4/ip_forward":               "1\n",
		"proc/sys/net/ipv4/conf/all/rp_filter":       "2\n",
		"proc/sys/fs/inotify/max_user_instances":     "128\n",
		"proc/filesystems":                           "nodev\tsysfs\n\text4\nnodev\toverlay\n",
		"proc/net/ip_vs":                             "IP Virtual Server\n",
		"proc/meminfo":                               "MemTotal:  1024 kB\nMemFree: x kB\nSwapTotal: 512 kB\n",
		"proc/cpuinfo":                               "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: B\n",
		"lib/modules/6.1.0-18-amd64/modules.dep":     "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\nkernel/drivers/net/vxlan/vxlan.ko: kernel/net/ipv4/udp_tunnel.ko\nkernel/x.ko: kernel/net/netfilter/nf_tables.ko\n",
		"lib/modules/6.1.0-18-amd64/modules.builtin": "kernel/net/netfilter/nf-conntrack.ko\n",
		"sys/class/dmi/id/sys_vendor":                "Maker\n",
		"sys/class/dmi/id/product_name":              "Box\n",
		"sys/class/dmi/id/product_serial":            "S1\n",
		"sys/class/dmi/id/product_uuid":              "AAAA0000-0000-0000-0000-000000000001\n",
		"sys/fs/cgroup/cgroup.controllers":           "cpu memory\n",
		"var/lib/containerd/x":                       "",
		"proc/self/mounts":                           "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /var/lib/containerd xfs rw 0 0\n/dev/sdc1 /var/lib/con xfs rw 0 0\n",
	})
	installed := []host.Installed{{Name: "kubernetes", Current: true}}
	i := Read(t.Context(), Options{Root: root, Folders: []string{"/", "/var/lib/containerd", "/var/lib/etcd"},
		Runtime:   func(context.Context) host.Runtime { return host.Runtime{Name: "containerd", Endpoint: "/s"} },
		Providers: func() []host.Installed { return installed }})
	if i.MachineID != "0123456789abcdef0123456789abcdef" || i.ProductID != "aaaa0000-0000-0000-0000-000000000001" || i.BootID != "boot" || i.OS != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("%+v", i)
	}
	if want := (host.Hardware{Vendor: "Maker", Product: "Box", Serial: "S1", CPU: "A CPU @ 2 GHz", Cores: runtime.NumCPU(), Memory: 1 << 20}); i.Hardware != want {
		t.Errorf("%+v, want %+v", i.Hardware, want)
	}
	want := host.Kernel{Release: "6.1.0-18-amd64", Cgroup: 2, Swap: 512 << 10,
		Modules: map[string]bool{"overlay": true, "br_netfilter": true, "nf_conntrack": true, "vxlan": true, "ip_tables": false, "nf_tables": false, "ip_vs": true},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "2", "fs.inotify.max_user_instances": "128"}}
	if !reflect.DeepEqual(i.Kernel, want) {
		t.Errorf("%+v, want %+v", i.Kernel, want)
	}
	if len(i.Disks) != 2 || i.Disks[0].Device != "/dev/sda1" || i.Disks[1].Mount != "/var/lib/containerd" || i.Disks[1].Type != "xfs" || i.Disks[0].Size <= 0 || i.Disks[0].Free > i.Disks[0].Size {
		t.Errorf("%+v", i.Disks)
	}
	if i.Platform != "linux/"+runtime.GOARCH || i.At.IsZero() || !reflect.DeepEqual(i.Providers, installed) {
		t.Errorf("%+v", i)
	}
	checks := map[string]bool{}
	for _, f := range i.Health {
		checks[f.Check] = true
	}
	if !checks["swap"] || !checks["runtime"] {
		t.Errorf("findings %+v", i.Health)
	}
}

// A machine that tells nothing is no failure, and nothing is wrong with it.
func TestReadNothing(t *testing.T) {
	t.Parallel()
	i := Read(t.Context(), Options{Root: t.TempDir(), Folders: []string{"/none"}})
	if i.MachineID != "" || i.ProductID != "" || i.Kernel.Cgroup != 0 || i.Hardware.Vendor != "" || len(i.Disks) != 0 || i.Runtime.Name != "" {
		t.Errorf("%+v", i)
	}
	for _, f := range i.Health {
		if f.Check != "time" { // that is the machine's
			t.Errorf("finding %+v", f)
		}
	}
}

// This machine has what every machine has.
func TestReadMachine(t *testing.T) {
	t.Parallel()
	i := Read(t.Context(), Options{})
	if i.Kernel.Release == "" || i.Hardware.Memory == 0 || i.Hardware.Cores == 0 || i.BootID == "" || len(i.Disks) == 0 || i.Disks[0].Size == 0 || i.Disks[0].Mount != "/" {
		t.Errorf("%+v", i)
	}
}

func TestProductID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"00000000-0000-0000-0000-000000000000": "",
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": "",
		"03000200-0400-0500-0006-000700080009": "",
		"4C4C4544-0000-2010-8020-80C04F202020": "4c4c4544-0000-2010-8020-80c04f202020",
	} {
		if got := reader(tree(t, map[string]string{"sys/class/dmi/id/product_uuid": id})).productID(); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func TestDefaultRoutes(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"proc/net/route":      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\neth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\neth2\t00000000\t00000000\t0201\t0\t0\t0\t00000000\n",
		"proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000 00000400 1 0 00000003 eth3\n00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 1 0 00200200 lo\n",
	})
	if got := reader(root).defaultRoutes(); !reflect.DeepEqual(got, []string{"eth0", "eth3"}) {
		t.Errorf("%v", got)
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	full := host.Disk{Path: "/a", Mount: "/", Size: 100 << 30, Free: 1 << 30}
	for name, c := range map[string]struct {
		inventory host.Inventory
		known     bool
		want      []string
	}{
		"well":       {host.Inventory{Time: host.Clock{Synchronized: true}, Disks: []host.Disk{{Size: 100, Free: 50}}, Runtime: host.Runtime{Name: "containerd", Ready: true}}, true, nil},
		"no runtime": {host.Inventory{}, false, nil},
		"clock":      {host.Inventory{}, true, []string{"time"}},
		"one disk":   {host.Inventory{Disks: []host.Disk{full, {Path: "/b", Mount: "/", Size: full.Size, Free: full.Free}}}, false, []string{"disk"}},
		"all":        {host.Inventory{Disks: []host.Disk{full}, Kernel: host.Kernel{Swap: 1}, Runtime: host.Runtime{Name: "containerd"}}, true, []string{"disk", "time", "swap", "runtime"}},
	} {
		var got []string
		for _, f := range examine(&c.inventory, c.known) {
			if got = append(got, f.Check); f.Text == "" || f.Severity != host.Warning {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever the kernel's tables say, reading them ends, and keeps to its promises.
func FuzzTables(f *testing.F) {
	f.Add("/dev/sda1 /a\\040b ext4 rw 0 0\n", "kernel/a-b.ko: x\n", "MemTotal: 1 kB\nSwapTotal: 9999999999999999999 kB\n")
	f.Add("\\ \\0 \\777 x\n", ":\n.ko\n", "MemTotal: -1 kB\n")
	f.Fuzz(func(t *testing.T, mounts, dep, meminfo string) {
		if m := above(parseMounts(mounts), "/a b/c"); m.point != "" && m.point != "/" && !strings.HasPrefix("/a b/c/", m.point+"/") {
			t.Errorf("mount %q", m.point)
		}
		has := map[string]bool{}
		addModules(strings.NewReader(dep), has)
		for name := range has {
			if strings.ContainsAny(name, "-/") {
				t.Errorf("module %q", name)
			}
		}
		if memory(meminfo, "MemTotal:") < 0 || memory(meminfo, "SwapTotal:") < 0 {
			t.Error("less than no memory")
		}
	})
}

// Who keeps the clock right is told by what runs, with a file that it reads at each start.
func TestTimeBy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files       map[string]string
		by, servers string
	}{
		"nobody":    {map[string]string{"etc/chrony/chrony.conf": "sourcedir /etc/chrony/sources.d\n"}, "", ""},
		"timesyncd": {map[string]string{"run/systemd/timesync/synchronized": ""}, host.Timesyncd, "/etc/systemd/timesyncd.conf.d/50-landfall.conf"},
		"chrony": {map[string]string{"run/chrony/chronyd.pid": "1", "run/systemd/timesync/x": "", "etc/chrony/chrony.conf": "confdir /etc/chrony/conf.d\nsourcedir /run/chrony-dhcp\n# sourcedir /etc/no\nsourcedir /etc/chrony/sources.d\n"},
			host.Chrony, "/etc/chrony/sources.d/50-landfall.sources"},
		"chrony, configurations":   {map[string]string{"run/chrony/chronyd.pid": "1", "etc/chrony.conf": "confdir /run/x /etc/chrony.d\n"}, host.Chrony, "/etc/chrony.d/50-landfall.conf"},
		"chrony, without a folder": {map[string]string{"run/chrony/chronyd.pid": "1", "etc/chrony.conf": "sourcedir /run/chrony-dhcp\n"}, host.Chrony, ""},
	} {
		i := Read(t.Context(), Options{Root: tree(t, c.files), Folders: []string{}})
		if i.Time.By != c.by || i.Time.Servers != c.servers {
			t.Errorf("%s: %q, %q; want %q, %q", name, i.Time.By, i.Time.Servers, c.by, c.servers)
		}
	}
}
