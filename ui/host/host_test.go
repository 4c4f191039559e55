package host

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// tree makes files below a folder.
func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range content {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const mounts = `21 1 8:2 / / rw,relatime - ext4 /dev/sda2 rw
30 21 8:3 / /srv rw,relatime - xfs /dev/sda3 rw
31 30 0:40 / /srv/a\040b rw - tmpfs tmpfs rw
32 30 8:4 / /srv rw - btrfs /dev/sda4 rw
`

// What the files of a machine say is in the report.
func TestFixture(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/os-release": "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID='12'\n",
		"etc/resolv.conf":                "# by hand\nsearch site.example example\nnameserver 10.0.0.1\nnameserver fd00::1\noptions ndots:1\n",
		"proc/sys/kernel/random/boot_id": "b1\n",
		"proc/sys/kernel/osrelease":      "6.1.0\n",
		"proc/uptime":                    "93784.50 1000.00\n",
		"proc/loadavg":                   "0.50 1.25 2.00 1/200 4321\n",
		"proc/meminfo":                   "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\nSwapTotal: 4 kB\nSwapFree: 2 kB\n",
		"proc/net/route":                 "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\neth1\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n",
		"proc/net/ipv6_route":            "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n",
		"sys/fs/cgroup/memory.max":       "1048576\n",
		"sys/class/rtc/rtc0/since_epoch": "1700000000\n",
		"sys/class/net/lo/speed":         "1000\n",
	})
	if err := os.Symlink("/usr/share/zoneinfo/Europe/Berlin", filepath.Join(root, "etc/localtime")); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1700000030, 0)
	r := Read(Options{Root: root, Now: func() time.Time { return now }})
	s := r.System
	if len(s.MachineID) != 32 || strings.Contains(s.MachineID, "0123456789abcdef") {
		t.Errorf("machine id %s", s.MachineID)
	}
	s.Hostname, s.MachineID, s.CPUs, s.Architecture = "", "", 0, ""
	want := System{BootID: "b1", OS: "Debian GNU/Linux 12", OSID: "debian", OSVersion: "12", Kernel: "6.1.0", UptimeSeconds: 93784,
		Memory: Memory{2 << 20, 1 << 20, 4 << 10, 2 << 10, 1 << 20}, Load: &Load{0.5, 1.25, 2}}
	if d := cmp.Diff(want, s); d != "" {
		t.Error(d)
	}
	n := r.Network
	if d := cmp.Diff([]Route{{"eth0", "192.0.2.1", 100}, {"eth0", "fe80::1", 1024}}, n.Routes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"10.0.0.1", "fd00::1"}, n.DNS); d != "" || len(n.Search) != 2 {
		t.Error(d, n.Search)
	}
	if r.Clock.Zone != "Europe/Berlin" || r.Clock.RTC == nil || r.Clock.RTC.Unix() != 1700000000 {
		t.Errorf("%+v", r.Clock)
	}
}

// Where nothing can be read, nothing is told, and nothing fails.
func TestBareContainer(t *testing.T) {
	t.Parallel()
	r := Read(Options{Root: t.TempDir(), Folders: []string{filepath.Join(t.TempDir(), "nosuch"), t.TempDir()}})
	if r.System.Kernel != "" || r.System.Load != nil || r.System.Memory.TotalBytes != 0 || r.Clock.RTC != nil || len(r.Network.Routes) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Storage[0].Problem != "no such file or directory" || r.Storage[1].TotalBytes == 0 || r.Storage[1].Type != "" {
		t.Errorf("%+v", r.Storage)
	}
	if r.Health[0].Level != LevelCritical {
		t.Errorf("%+v", r.Health)
	}
	text, err := json.Marshal(r)
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

// The machine that runs the test has a kernel, memory, a disk and loopback.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	r := Read(Options{Folders: []string{t.TempDir()}, NotBefore: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)})
	fs := r.Storage[0]
	if r.System.Kernel == "" || r.System.CPUs < 1 || r.System.UptimeSeconds < 1 || r.System.Memory.AvailableBytes > r.System.Memory.TotalBytes {
		t.Errorf("%+v", r.System)
	}
	if fs.TotalBytes < fs.FreeBytes || fs.FreeBytes < fs.AvailableBytes || fs.MountPoint == "" || fs.Type == "" || fs.ReadOnly {
		t.Errorf("%+v", fs)
	}
	loopback := false
	for _, i := range r.Network.Interfaces {
		loopback = loopback || i.Loopback
	}
	if !loopback && len(r.Network.Interfaces) > 0 {
		t.Errorf("%+v", r.Network)
	}
}

// A folder is on the deepest mount above it, and the one mounted last covers
// others on its point.
func TestMounts(t *testing.T) {
	t.Parallel()
	list := parseMounts(mounts)
	for folder, want := range map[string]string{"/nosuch/x": "/dev/sda2", "/srv": "/dev/sda4", "/srv/x": "/dev/sda4", "/srv/a b/c": "tmpfs", "/srvx": "/dev/sda2"} {
		if m := mountOf(folder, list); m == nil || m.Source != want {
			t.Errorf("%s: %+v, want %s", folder, m, want)
		}
	}
	if m := mountOf("/srv", nil); m != nil {
		t.Errorf("%+v", m)
	}
}

// Health tells what somebody should look at.
func TestHealth(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	yes, no, rtc, berlin := true, false, now.Add(-time.Hour), now.Add(time.Hour)
	for name, x := range map[string]struct {
		found Finding
		level string
		what  string
	}{
		"disk":            {(&FileSystem{Folder: "/d", TotalBytes: 100 << 30, AvailableBytes: 50 << 30}).examine(), LevelOK, "/d: 50.0 GiB of 100.0 GiB are available"},
		"little":          {(&FileSystem{Folder: "/d", TotalBytes: 100 << 30, AvailableBytes: 5 << 30}).examine(), LevelWarning, "5.0 GiB of"},
		"large and full":  {(&FileSystem{Folder: "/d", TotalBytes: 10 << 40, AvailableBytes: 100 << 30}).examine(), LevelOK, "100.0 GiB of"},
		"small and empty": {(&FileSystem{Folder: "/d", TotalBytes: 1 << 30, AvailableBytes: 1 << 29}).examine(), LevelOK, "512.0 MiB of"},
		"least":           {(&FileSystem{Folder: "/d", TotalBytes: 100 << 30, AvailableBytes: 1 << 30}).examine(), LevelCritical, "1.0 GiB of"},
		"full":            {(&FileSystem{Folder: "/d", TotalBytes: 100 << 30}).examine(), LevelCritical, "0 B of"},
		"read-only":       {(&FileSystem{Folder: "/d", ReadOnly: true}).examine(), LevelCritical, "read-only"},
		"missing":         {(&FileSystem{Folder: "/d", Problem: "no such"}).examine(), LevelCritical, "/d: no such"},
		"inodes":          {(&FileSystem{Folder: "/d", TotalBytes: 1 << 40, AvailableBytes: 1 << 39, Inodes: 1000, FreeInodes: 5}).examine(), LevelWarning, "5 of 1000 inodes"},
		"memory":          {(&Memory{TotalBytes: 100, AvailableBytes: 50}).examine(), LevelOK, "50 B of 100 B"},
		"no memory":       {(&Memory{TotalBytes: 1000, AvailableBytes: 10}).examine(), LevelWarning, "10 B of 1000 B"},
		"clock":           {(&Clock{Now: now, Synchronised: &yes, NotBefore: now.Add(-time.Hour)}).examine(), LevelOK, "2026-03-01T12:00:00Z"},
		"clock unknown":   {(&Clock{Now: now}).examine(), LevelOK, "it shows"},
		"clock alone":     {(&Clock{Now: now, Synchronised: &no}).examine(), LevelOK, "no time server"},
		"clock of 1970":   {(&Clock{Now: time.Unix(0, 0), NotBefore: now, Synchronised: &yes}).examine(), LevelCritical, "2026-03-01T12:00:00Z has certainly passed"},
		"two clocks":      {(&Clock{Now: now, RTC: &rtc}).examine(), LevelWarning, "own clock 2026-03-01T11:00:00Z"},
		"local rtc":       {(&Clock{Now: now, RTC: &berlin, OffsetSeconds: 3600}).examine(), LevelOK, "it shows"},
		"alone":           {(&Network{Interfaces: []Interface{{Name: "lo", Up: true, Link: true, Loopback: true, Addresses: []string{"127.0.0.1/8"}}, {Name: "eth0", Up: true}}}).examine(), LevelWarning, "no interface"},
		"connected":       {(&Network{Interfaces: []Interface{{Name: "eth0", Up: true, Link: true, Addresses: []string{"10.0.0.5/24"}}}}).examine(), LevelOK, "connected by eth0"},
	} {
		if x.found.Level != x.level || !strings.Contains(x.found.What, x.what) || (x.level == LevelOK) != (x.found.Do == "") {
			t.Errorf("%s: %+v, want %s, %q", name, x.found, x.level, x.what)
		}
	}
}

// Whatever the machine's files say, they are read.
func FuzzFiles(f *testing.F) {
	f.Add("eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\n" + mounts + "nameserver 10.0.0.1\nPRETTY_NAME=\"x\"\nMemTotal: 1 kB")
	f.Add("00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range append(routes4(text), routes6(text)...) {
			if r.Interface == "" || strings.ContainsAny(r.Gateway, " \n") {
				t.Fatalf("%+v", r)
			}
		}
		var n Network
		n.parseResolver(text)
		var s System
		s.parseOS(text)
		if s.Memory.parse(text); s.Memory.TotalBytes < 0 || number(text) < 0 {
			t.Fatalf("%+v", s)
		}
		mountOf("/srv", parseMounts(text))
	})
}
