package media

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fake is a machine whose /sys and /proc are files: what it takes to show a
// server with disks, a stick, cards and a container's host.
type fake struct {
	t *testing.T
	machine
}

func newFake(t *testing.T, mountinfo string) *fake {
	dir := t.TempDir()
	f := &fake{t, machine{dir + "/sys", "/dev", dir + "/proc"}}
	f.write("proc/self/mountinfo", mountinfo)
	for _, d := range []string{"sys/class/block", "sys/dev/block"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *fake) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(filepath.Dir(f.sys), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// add adds a device at a path below /sys/devices; attributes are NAME=VALUE.
func (f *fake) add(path, number string, attributes ...string) {
	f.t.Helper()
	at := "sys/devices/" + path
	f.write(at+"/dev", number)
	f.write(at+"/size", "1000000")
	for _, a := range attributes {
		name, value, _ := strings.Cut(a, "=")
		f.write(at+"/"+name, value)
	}
	for _, link := range []string{"class/block/" + filepath.Base(path), "dev/block/" + number} {
		if err := os.Symlink("../../devices/"+path, filepath.Join(f.sys, link)); err != nil {
			f.t.Fatal(err)
		}
	}
}

const stick = "pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb"

func newServer(t *testing.T) *fake {
	f := newFake(t, `22 1 253:0 / / rw,relatime - ext4 /dev/mapper/vg-root rw
23 22 8:1 / /boot rw - ext4 /dev/sda1 rw
24 22 0:40 / /data rw - btrfs /dev/sdd1 rw,space_cache
25 22 8:17 / /media/my\040stick rw,nosuid - vfat /dev/sdb1 rw
26 22 8:17 /sub /mnt rw - vfat /dev/sdb1 rw
27 22 0:50 / /mnt/deep rw - nfs4 server:/x rw
28 22 0:51 / /mnt/deep ro - tmpfs tmpfs ro`)
	f.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sde1 partition 1 0 -2")
	f.add("pci0000:00/ata1/block/sda", "8:0", "removable=1") // a bay that says so
	f.add("pci0000:00/ata1/block/sda/sda1", "8:1", "partition=1")
	f.add("pci0000:00/ata1/block/sda/sda2", "8:2", "partition=2", "holders/dm-0=")
	f.add("virtual/block/dm-0", "253:0", "slaves/sda2=")
	f.add(stick, "8:16", "removable=0", "device/vendor=SanDisk ", "device/model=Ultra  ", "diskseq=7")
	f.write("sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial", "4C53")
	f.write("sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/idVendor", "0781")
	f.add(stick+"/sdb1", "8:17", "partition=1", "start=2048", "ro=1")
	f.add(stick+"/sdb2", "8:18", "partition=2", "size=2") // extended
	f.add("pci0000:00/ata2/block/sdc", "8:32", "removable=0")
	f.add("pci0000:00/0000:00:14.0/usb1/1-3/host7/block/sdd", "8:48", "removable=1")
	f.add("pci0000:00/0000:00:14.0/usb1/1-3/host7/block/sdd/sdd1", "8:49", "partition=1")
	f.add("pci0000:00/0000:00:14.0/usb1/1-4/host8/block/sde", "8:64")
	f.add("pci0000:00/0000:00:14.0/usb1/1-4/host8/block/sde/sde1", "8:65", "partition=1")
	f.add("platform/mmc_host/mmc0/mmc0:1/block/mmcblk0", "179:0", "device/type=MMC")
	f.add("platform/mmc_host/mmc1/mmc1:1/block/mmcblk1", "179:8", "device/type=SD", "device/name=SC64G", "device/serial=0xab")
	f.add("pci0000:00/usb1/block/sr0", "11:0", "removable=1", "size=0") // empty
	f.add("pci0000:00/usb1/block/sdf", "8:80", "removable=1", "hidden=1")
	f.add("pci0000:00/usb1/block/sdg", "8:96", "removable=1")
	f.add("pci0000:00/usb1/block/sdg/sdg1", "8:97", "partition=1", "holders/dm-3=")
	f.add("virtual/block/loop5", "7:5", "removable=0")
	f.add("virtual/block/fd0", "2:0", "removable=1")
	return f
}

func titles(list []source) (names []string) {
	for _, s := range list {
		names = append(names, s.title())
	}
	return names
}

// What can be pulled out is a drive; what the system or the site runs from is not,
// however it is plugged in.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	f := newServer(t)
	for name, c := range map[string]struct {
		options Options
		want    []string
	}{
		"by itself":  {Options{Own: []string{"/data/landfall"}}, []string{"mmcblk1", "sdb1"}},
		"by name":    {Options{Own: []string{"/data"}, Devices: []string{"loop*", "/dev/sdc", "sda*", "[bad"}}, []string{"loop5", "mmcblk1", "sdb1", "sdc"}},
		"not asked":  {Options{NoDevices: true}, nil},
		"no own":     {Options{}, []string{"mmcblk1", "sdb1", "sdd1"}},
		"in folders": {Options{Own: []string{"/data"}, Folders: []string{"/mnt", "/srv/in"}}, []string{"mmcblk1", "sdb1", "/mnt/deep", "/srv/in"}},
		"bare":       {Options{NoDevices: true, Folders: []string{"/media"}}, []string{"/media", "/media/my stick"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, findings := f.sources(c.options.withDefaults())
			if got := titles(list); !slices.Equal(got, c.want) || len(findings) > 0 {
				t.Errorf("%q, want %q; %q", got, c.want, findings)
			}
		})
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	f := newServer(t)
	list, _ := f.sources(Options{})
	s := list[1]
	if s.disk != "sdb" || s.number != "8:17" || s.seq != "7" || s.size != 512_000_000 || !s.readOnly || s.path != "/dev/sdb1" {
		t.Errorf("%+v", s)
	}
	if len(s.mounts) != 2 || s.mounts[0].at != "/media/my stick" || s.mounts[0].root != "/" || !s.mounts[0].write || s.mounts[1].at != "/mnt" {
		t.Errorf("%+v", s.mounts)
	}
	if name, serial := f.hardware("sdb"); name != "SanDisk Ultra" || serial != "4C53" {
		t.Errorf("%q %q", name, serial)
	}
	if name, serial := f.hardware("mmcblk1"); name != "SC64G" || serial != "0xab" {
		t.Errorf("%q %q", name, serial)
	}
}

// Where there is no /sys, that is said, and folders work.
func TestNoSys(t *testing.T) {
	t.Parallel()
	m := machine{"/nonexistent/sys", "/dev", "/nonexistent/proc"}
	list, findings := m.sources(Options{Folders: []string{"/media"}})
	if len(list) != 1 || len(findings) != 2 {
		t.Errorf("%q, %q", titles(list), findings)
	}
}

// The end of a medium is believed at once, though sysfs shows it for a while; what
// comes after it under the same name is another one.
func TestDeadMedium(t *testing.T) {
	t.Parallel()
	for name, seq := range map[string]string{"with sequence": "7", "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := New(Options{})
			s := source{block: block{name: "sdb1", disk: "sdb", number: "8:17", seq: seq, size: 5}}
			key := s.key(w.gen)
			if got := w.alive([]source{s}); len(got) != 1 {
				t.Fatalf("%v", got)
			}
			w.consider(uevent{action: "remove", name: "sdb", disk: true, seq: seq})
			for range 2 {
				if got := w.alive([]source{s}); len(got) != 0 {
					t.Fatalf("after its end: %v", got)
				}
			}
			w.consider(uevent{action: "add", name: "sdb", disk: true, seq: seq})
			if seq != "" {
				s.seq = "8"
			}
			if got := w.alive([]source{s}); len(got) != 1 || s.key(w.gen) == key {
				t.Errorf("the next one: %v, %s", got, s.key(w.gen))
			}
		})
	}
	w := New(Options{})
	s := source{block: block{name: "sr0", disk: "sr0"}}
	before := s.key(w.gen)
	w.consider(uevent{action: "change", name: "sr0", disk: true, medium: true})
	if s.key(w.gen) == before {
		t.Error("a new disc is the one before")
	}
	if !w.consider(uevent{action: "remove", name: "sdb1"}) {
		t.Error("nobody looks again for a partition that is going")
	}
}
