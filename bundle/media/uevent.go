package media

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// uevent is what the kernel tells of a block device: lib/kobject_uevent.c in the
// kernel's source. It is `ACTION@DEVPATH`, and then variables, each ended by a zero.
type uevent struct {
	action string // add, remove, change, …
	name   string // like sdb1
	disk   bool   // it is no partition
	seq    string // changes with each medium; empty before Linux 5.15
	medium bool   // another medium was put in
}

// maxUevent is more than the kernel sends: 2 KiB of variables, and a path.
const maxUevent = 8 << 10

// errOther: an event of something else.
var errOther = errors.New("not of a block device")

// parseUevent accepts only what the kernel writes.
func parseUevent(message []byte) (e uevent, err error) {
	head, rest, ok := bytes.Cut(message, []byte{0})
	if !ok || len(message) > maxUevent || message[len(message)-1] != 0 {
		return e, errors.New("an event without an end")
	}
	action, path, ok := strings.Cut(string(head), "@")
	if !ok || action == "" || !strings.HasPrefix(path, "/") {
		return e, fmt.Errorf("an event that begins %q", head)
	}
	values, err := variables(rest)
	if err != nil {
		return e, err
	}
	if values["ACTION"] != action || values["DEVPATH"] != path || values["SEQNUM"] == "" {
		return e, errors.New("an event that contradicts itself")
	}
	if values["SUBSYSTEM"] != "block" {
		return e, errOther
	}
	e = uevent{action: action, disk: values["DEVTYPE"] == "disk", seq: values["DISKSEQ"], medium: values["DISK_MEDIA_CHANGE"] == "1"}
	e.name = path[strings.LastIndexByte(path, '/')+1:]
	if !deviceName(e.name) || !digits(e.seq) {
		return e, fmt.Errorf("an event of device %q, sequence %q", e.name, e.seq)
	}
	return e, nil
}

func variables(rest []byte) (map[string]string, error) {
	values := map[string]string{}
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte{0})
		key, value, ok := strings.Cut(string(line), "=")
		if _, twice := values[key]; !ok || key == "" || twice {
			return nil, fmt.Errorf("a variable %q", line)
		}
		values[key] = value
	}
	return values, nil
}

// deviceName reports whether a name can be that of a block device in sysfs.
func deviceName(name string) bool {
	if name == "" || len(name) > 64 || strings.Trim(name, ".") == "" {
		return false
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_!.:", r) {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
