package media

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fileSystem is how the kernel is asked to mount a kind: without a write to the
// device, whatever state its journal is in, and with no say for the device in
// what happens when it is damaged.
type fileSystem struct {
	name    string
	options [][2]string // a value that is empty makes a flag
}

var fileSystems = map[string]fileSystem{
	"ext2":    {"ext4", [][2]string{{"noload", ""}, {"errors", "remount-ro"}}},
	"ext3":    {"ext4", [][2]string{{"noload", ""}, {"errors", "remount-ro"}}},
	"ext4":    {"ext4", [][2]string{{"noload", ""}, {"errors", "remount-ro"}}},
	"xfs":     {"xfs", [][2]string{{"norecovery", ""}, {"nouuid", ""}}},
	"btrfs":   {"btrfs", [][2]string{{"rescue", "nologreplay"}}},
	"vfat":    {"vfat", [][2]string{{"utf8", "1"}, {"errors", "remount-ro"}}},
	"exfat":   {"exfat", [][2]string{{"errors", "remount-ro"}}},
	"iso9660": {"iso9660", nil},
	"udf":     {"udf", nil},
	"ntfs":    {"ntfs3", nil},
}

// mountDevice mounts a device where nobody sees it: the mount belongs to the open
// file that is returned, ends with it, and so leaves nothing behind when this
// process ends in whatever way.
func mountDevice(path, kind string) (*os.File, error) {
	system, ok := fileSystems[kind]
	if !ok {
		return nil, fmt.Errorf("%s is not mounted here", kind)
	}
	fs, err := unix.Fsopen(system.name, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("the kernel opens no %s: %w", system.name, err)
	}
	defer unix.Close(fs)
	err = unix.FsconfigSetString(fs, "source", path)
	if err == nil {
		err = unix.FsconfigSetFlag(fs, "ro")
	}
	for _, o := range system.options {
		if err == nil && o[1] == "" {
			err = unix.FsconfigSetFlag(fs, o[0])
		} else if err == nil {
			err = unix.FsconfigSetString(fs, o[0], o[1])
		}
	}
	if err == nil {
		err = unix.FsconfigCreate(fs)
	}
	if err != nil {
		return nil, fmt.Errorf("mounting %s: %w%s", system.name, err, complaints(fs))
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return nil, fmt.Errorf("mounting %s: %w", system.name, err)
	}
	return os.NewFile(uintptr(m), path), nil
}

// complaints is what the kernel says about a mount that it refuses.
func complaints(fs int) (text string) {
	buffer := make([]byte, 1024)
	for range 16 {
		n, err := unix.Read(fs, buffer)
		if err != nil || n <= 0 {
			break
		}
		text += ": " + Printable(strings.TrimSpace(string(buffer[:n])))
	}
	return text
}
