package media

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// machine is where the kernel shows what there is.
type machine struct{ sys, dev, proc string }

// block is a block device with something in it: a disk without partitions, or a
// partition.
type block struct {
	name     string // in sysfs, like sdb1
	disk     string // like sdb; the same as name for a disk
	number   string // MAJOR:MINOR
	path     string // of its node
	seq      string // of its medium; empty before Linux 5.15
	start    string // of a partition
	size     int64  // bytes
	readOnly bool
	plugged  bool // by what it is, it can be pulled out
}

// blocks lists what has a medium in it, disks that have partitions excepted.
func (m machine) blocks() ([]block, error) {
	folder := filepath.Join(m.sys, "class/block")
	names, err := readNames(folder)
	if err != nil {
		return nil, err
	}
	var list []block
	parted := map[string]bool{}
	for _, name := range names {
		b, ok := m.block(name)
		if b.disk != b.name {
			parted[b.disk] = true
		}
		if ok {
			list = append(list, b)
		}
	}
	return slices.DeleteFunc(list, func(b block) bool { return parted[b.name] }), nil
}

func readNames(folder string) ([]string, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// block reads one device; not ok when it is gone, empty, hidden or in use by
// another one that is made of it.
func (m machine) block(name string) (b block, ok bool) {
	folder, err := filepath.EvalSymlinks(filepath.Join(m.sys, "class/block", name))
	if err != nil || !deviceName(name) {
		return b, false
	}
	b = block{name: name, disk: name, number: attribute(folder, "dev"), path: filepath.Join(m.dev, strings.ReplaceAll(name, "!", "/"))}
	whole := folder
	if _, err := os.Stat(filepath.Join(folder, "partition")); err == nil {
		whole = filepath.Dir(folder)
		b.disk = filepath.Base(whole)
		b.start = attribute(folder, "start")
	}
	sectors, err := strconv.ParseInt(attribute(folder, "size"), 10, 64)
	if err != nil || sectors <= 2 || sectors >= 1<<53 || attribute(whole, "hidden") == "1" { // 2: an extended partition
		return b, false
	}
	b.size = sectors * 512
	b.seq = attribute(whole, "diskseq")
	b.readOnly = attribute(folder, "ro") == "1"
	holders, _ := readNames(filepath.Join(folder, "holders"))
	b.plugged = plugged(whole)
	return b, len(holders) == 0
}

func attribute(folder, name string) string {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

var busses = regexp.MustCompile(`/(usb[0-9]+|fw[0-9]+)/`)

// plugged reports whether a disk is one that can be pulled out. A card is, and
// flash memory on a board, which looks like one, is not.
func plugged(disk string) bool {
	if attribute(disk, "removable") == "1" || busses.MatchString(disk) {
		return !strings.HasPrefix(filepath.Base(disk), "fd") // asking a floppy drive makes noise for nothing
	}
	return strings.Contains(disk, "/mmc_host/") && attribute(filepath.Join(disk, "device"), "type") == "SD"
}

// hardware is what a disk says that it is, and its serial number.
func (m machine) hardware(disk string) (name, serial string) {
	folder, err := filepath.EvalSymlinks(filepath.Join(m.sys, "class/block", disk))
	if err != nil {
		return "", ""
	}
	device := filepath.Join(folder, "device")
	name = strings.TrimSpace(attribute(device, "vendor") + " " + attribute(device, "model"))
	if name == "" {
		name = attribute(device, "name")
	}
	if serial = attribute(device, "serial"); serial != "" {
		return name, serial
	}
	for at := folder; len(at) > len(m.sys)+1; at = filepath.Dir(at) { // up to the USB device
		if serial = attribute(at, "serial"); serial != "" && attribute(at, "idVendor") != "" {
			return name, serial
		}
	}
	return name, ""
}

// mount is where somebody has mounted something.
type mount struct {
	id     int
	number string // MAJOR:MINOR of the file system
	root   string // what of the file system is seen there
	at     string
	kind   string
	source string
	write  bool
}

// mounts lists what is mounted where this process can see it, as it was mounted.
func (m machine) mounts() ([]mount, error) {
	f, err := os.Open(filepath.Join(m.proc, "self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	infos, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, err
	}
	list := make([]mount, 0, len(infos))
	for _, i := range infos {
		number := strconv.Itoa(i.Major) + ":" + strconv.Itoa(i.Minor)
		readOnly := option(i.Options, "ro") || option(i.VFSOptions, "ro")
		list = append(list, mount{i.ID, number, i.Root, i.Mountpoint, i.FSType, i.Source, !readOnly})
	}
	return list, nil
}

func option(options, name string) bool {
	return slices.Contains(strings.Split(options, ","), name)
}

// of reports whether a mount shows a device's file system. Those of some kinds
// have numbers of their own; only root can mount these, so their source is true.
func (n mount) of(b block) bool {
	return n.number == b.number || (n.kind == "btrfs" || n.kind == "fuseblk") && n.source == b.path
}

// below reports whether something is mounted at a folder or below it.
func (n mount) below(folder string) bool { return within(n.at, folder) }

func within(name, folder string) bool {
	folder = path.Clean(folder)
	return name == folder || folder == "/" || strings.HasPrefix(name, folder+"/")
}

// ownDisks are the disks that the system runs from, and those of some folders.
func (m machine) ownDisks(mounts []mount, folders []string) map[string]bool {
	disks := map[string]bool{}
	for _, folder := range slices.Concat([]string{"/", "/boot", "/boot/efi", "/efi", "/etc", "/home", "/usr", "/var", "/var/lib"}, folders) {
		if n := covering(mounts, folder); n != nil {
			m.addDisks(disks, n)
		}
	}
	swaps, _ := os.ReadFile(filepath.Join(m.proc, "swaps"))
	for line := range strings.Lines(string(swaps)) {
		device, _, _ := strings.Cut(line, " ")
		if name, ok := strings.CutPrefix(device, "/dev/"); ok {
			m.addDisk(disks, name, 0)
		}
	}
	return disks
}

// covering is the mount that a folder is in: the deepest, and of these the last.
func covering(mounts []mount, folder string) (at *mount) {
	for i, n := range mounts {
		if within(folder, n.at) && (at == nil || len(n.at) >= len(at.at)) {
			at = &mounts[i]
		}
	}
	return at
}

func (m machine) addDisks(disks map[string]bool, n *mount) {
	target, err := os.Readlink(filepath.Join(m.sys, "dev/block", n.number))
	if err != nil {
		name, ok := strings.CutPrefix(n.source, "/dev/")
		if !ok || n.kind != "btrfs" && n.kind != "fuseblk" {
			return
		}
		target = name
	}
	m.addDisk(disks, filepath.Base(target), 0)
}

// addDisk adds a device's disk, and those that this is made of.
func (m machine) addDisk(disks map[string]bool, name string, depth int) {
	folder, err := filepath.EvalSymlinks(filepath.Join(m.sys, "class/block", name))
	if err != nil || depth > 8 {
		return
	}
	if _, err := os.Stat(filepath.Join(folder, "partition")); err == nil {
		folder = filepath.Dir(folder)
	}
	disks[filepath.Base(folder)] = true
	for _, at := range []string{filepath.Join(folder, "slaves"), filepath.Join(m.sys, "class/block", name, "slaves")} {
		slaves, _ := readNames(at)
		for _, s := range slaves {
			m.addDisk(disks, s, depth+1)
		}
	}
}
