package host

import (
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/units"
)

// The levels of findings.
const (
	LevelOK       = "ok"
	LevelWarning  = "warning"  // it works, and somebody should look
	LevelCritical = "critical" // something does not work, or soon will not
)

// Finding is how one thing is, and what to do about it.
type Finding struct {
	Level string `json:"level"`        // ok, warning, critical
	About string `json:"about"`        // storage, memory, clock, network
	What  string `json:"what"`         // how it is
	Do    string `json:"do,omitempty"` // what makes it right
}

// examine judges a report.
func examine(r *Report) []Finding {
	var list []Finding
	seen := map[string]bool{}
	for _, fs := range r.Storage {
		if point := fs.MountPoint; point == "" || !seen[point] {
			list = append(list, fs.examine())
			seen[point] = true
		}
	}
	if r.System.Memory.TotalBytes > 0 {
		list = append(list, r.System.Memory.examine())
	}
	list = append(list, r.Clock.examine())
	if len(r.Network.Interfaces) > 0 {
		list = append(list, r.Network.examine())
	}
	return list
}

// Less than this of a file system is little, and almost nothing. Both, the share
// and the bytes, have to be little: a tenth of a large disk is room enough.
const (
	littleShare, littleBytes = 0.10, 20 << 30
	leastShare, leastBytes   = 0.02, 2 << 30
)

func (f *FileSystem) examine() Finding {
	share := float64(f.AvailableBytes) / float64(max(f.TotalBytes, 1))
	found := Finding{LevelOK, "storage", fmt.Sprintf("%s: %s of %s are available", f.Folder, units.Bytes(f.AvailableBytes), units.Bytes(f.TotalBytes)), ""}
	const room = "free space: 'landfall content collect' takes out what nothing needs, 'landfall content retain' old versions; or make the disk larger"
	switch {
	case f.Problem != "":
		return Finding{LevelCritical, "storage", f.Folder + ": " + f.Problem, "mount the disk, and see that the appliance may read the folder"}
	case f.ReadOnly:
		return Finding{LevelCritical, "storage", f.Folder + " is on a file system that is mounted read-only",
			"look for errors of the disk in the kernel's log (dmesg), check the file system, and mount it again"}
	case share < leastShare && f.AvailableBytes < leastBytes:
		found.Level, found.Do = LevelCritical, room
	case share < littleShare && f.AvailableBytes < littleBytes:
		found.Level, found.Do = LevelWarning, room
	case f.Inodes > 0 && f.FreeInodes < f.Inodes/20:
		return Finding{LevelWarning, "storage", fmt.Sprintf("%s: only %d of %d inodes are free: soon no file can be made", f.Folder, f.FreeInodes, f.Inodes),
			"remove files, or make a file system with more inodes"}
	}
	return found
}

func (m *Memory) examine() Finding {
	f := Finding{LevelOK, "memory", fmt.Sprintf("%s of %s are available", units.Bytes(m.AvailableBytes), units.Bytes(m.TotalBytes)), ""}
	if m.AvailableBytes > 0 && m.AvailableBytes < m.TotalBytes/20 {
		f.Level, f.Do = LevelWarning, "end other programs on this machine, or give it more memory"
	}
	return f
}

// drift is how far the two clocks of a machine may be apart.
const drift = 5 * time.Minute

func (c *Clock) examine() Finding {
	shown := c.Now.UTC().Format(time.RFC3339)
	switch {
	case c.Now.Before(c.NotBefore):
		return Finding{LevelCritical, "clock", fmt.Sprintf("it shows %s, and %s has certainly passed: what is valid and what has expired cannot be told", shown, c.NotBefore.UTC().Format(time.RFC3339)),
			"set the clock ('timedatectl set-time'), and see whether the battery of the machine's clock is empty"}
	case c.rtcApart() > drift:
		return Finding{LevelWarning, "clock", fmt.Sprintf("it shows %s, and the machine's own clock %s: after the next start it may be wrong", shown, c.RTC.Format(time.RFC3339)),
			"see which one is right; 'hwclock --systohc' sets the machine's own"}
	case c.Synchronised != nil && !*c.Synchronised: // as it is at most sites without the internet
		return Finding{LevelOK, "clock", fmt.Sprintf("it shows %s, and follows no time server: compare it with a good clock now and then", shown), ""}
	}
	return Finding{LevelOK, "clock", "it shows " + shown, ""}
}

// rtcApart is how far the machine's own clock is from now. It may be set to the
// time of the zone instead of UTC.
func (c *Clock) rtcApart() time.Duration {
	if c.RTC == nil {
		return 0
	}
	apart := c.RTC.Sub(c.Now)
	return min(apart.Abs(), (apart - time.Duration(c.OffsetSeconds)*time.Second).Abs())
}

func (n *Network) examine() Finding {
	var connected []string
	for _, i := range n.Interfaces {
		if i.Up && i.Link && !i.Loopback && len(i.Addresses) > 0 {
			connected = append(connected, i.Name)
		}
	}
	if len(connected) == 0 {
		return Finding{LevelWarning, "network", "no interface is connected and has an address: hosts cannot reach the site", "plug in a cable, and give the interface an address"}
	}
	return Finding{LevelOK, "network", "connected by " + strings.Join(connected, ", "), ""}
}
