package media

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func message(lines ...string) []byte { return []byte(strings.Join(lines, "\x00") + "\x00") }

var loopEvent = message("change@/devices/virtual/block/loop0", "ACTION=change", "DEVPATH=/devices/virtual/block/loop0", "SUBSYSTEM=block",
	"DISK_MEDIA_CHANGE=1", "MAJOR=7", "MINOR=0", "DEVNAME=loop0", "DEVTYPE=disk", "DISKSEQ=11", "SEQNUM=817")

func TestUevent(t *testing.T) {
	t.Parallel()
	e, err := parseUevent(loopEvent)
	if want := (uevent{action: "change", name: "loop0", disk: true, seq: "11", medium: true}); err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	part := "/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host2/target2:0:0/2:0:0:0/block/sdb/sdb1"
	e, err = parseUevent(message("remove@"+part, "ACTION=remove", "DEVPATH="+part, "SUBSYSTEM=block", "DEVNAME=sdb1", "DEVTYPE=partition", "PARTN=1", "SEQNUM=9"))
	if want := (uevent{action: "remove", name: "sdb1"}); err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	for name, m := range map[string][]byte{
		"nothing":                {},
		"no end":                 loopEvent[:len(loopEvent)-1],
		"udev's":                 message("libudev", "ACTION=add"),
		"no path":                message("add@", "ACTION=add", "DEVPATH=", "SUBSYSTEM=block", "SEQNUM=1"),
		"other path":             message("add@/devices/a", "ACTION=add", "DEVPATH=/devices/b", "SUBSYSTEM=block", "SEQNUM=1"),
		"other action":           message("add@/devices/a", "ACTION=remove", "DEVPATH=/devices/a", "SUBSYSTEM=block", "SEQNUM=1"),
		"twice":                  message("add@/devices/a", "ACTION=add", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block", "SEQNUM=1"),
		"no value":               message("add@/devices/a", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block", "SEQNUM=1", "X"),
		"a name with a line":     message("add@/devices/a\nb", "ACTION=add", "DEVPATH=/devices/a\nb", "SUBSYSTEM=block", "SEQNUM=1"),
		"a name that goes up":    message("add@/devices/..", "ACTION=add", "DEVPATH=/devices/..", "SUBSYSTEM=block", "SEQNUM=1"),
		"a sequence of no digit": message("add@/devices/a", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block", "SEQNUM=1", "DISKSEQ=../x"),
		"too long":               message("add@/devices/a", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=block", "SEQNUM=1", "X="+strings.Repeat("x", maxUevent)),
	} {
		if e, err := parseUevent(m); err == nil || errors.Is(err, errOther) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if _, err := parseUevent(message("add@/devices/a", "ACTION=add", "DEVPATH=/devices/a", "SUBSYSTEM=net", "SEQNUM=1")); !errors.Is(err, errOther) {
		t.Errorf("%v", err)
	}
}

func FuzzUevent(f *testing.F) {
	f.Add(loopEvent)
	f.Add([]byte("add@/a\x00"))
	f.Fuzz(func(t *testing.T, m []byte) {
		if e, err := parseUevent(m); err == nil && (!deviceName(e.name) || strings.ContainsAny(e.name, "/\x00\n") || !digits(e.seq)) {
			t.Fatalf("%+v", e)
		}
	})
}

// What other programs send into the kernel's group is passed over.
func TestForgedEvent(t *testing.T) {
	t.Parallel()
	s, err := openNetlink()
	if err != nil {
		t.Skip("no netlink here: ", err)
	}
	l := &listener{netlink: s, mounts: -1}
	defer unix.Close(s)
	from, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(from)
	at, err := unix.Getsockname(s)
	if err != nil {
		t.Fatal(err)
	}
	forged := message("remove@/devices/forged", "ACTION=remove", "DEVPATH=/devices/forged", "SUBSYSTEM=block", "DEVTYPE=disk", "SEQNUM=1")
	if err := unix.Sendto(from, forged, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: at.(*unix.SockaddrNetlink).Pid}); err != nil {
		t.Skip("it cannot be sent: ", err)
	}
	for _, e := range l.receive().events {
		if e.name == "forged" {
			t.Errorf("%+v", e)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain.bundle":          "plain.bundle",
		"ä 漢字 🙂":                "ä 漢字 🙂",
		"\x1b[2J\x1b]0;x\a":     `\x1b[2J\x1b]0;x\a`,
		"a\nb\tc\r":             `a\nb\tc\r`,
		"exe.\u202eeldnub":      `exe.\u202eeldnub`,
		"zero\u200bwidth\ufeff": `zero\u200bwidth\ufeff`,
		"line\u2028":            `line\u2028`,
		"\xff\xfe":              `\xff\xfe`,
		`back\slash`:            `back\\slash`,
		"\u0085\u009b31m":       `\u0085\u009b31m`,
		"tag\U000e0041":         `tag\U000e0041`,
		"\ufffd":                "\ufffd",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	o := Options{}.withDefaults()
	if o.Every <= 0 || o.MaxEntries <= 0 || o.MaxTime <= 0 || o.Log == nil || reflect.ValueOf(o.Tell).IsNil() {
		t.Errorf("%+v", o)
	}
}
