package host

import (
	"errors"
	"math"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// FileSystem is the one that a folder is on.
type FileSystem struct {
	Folder         string `json:"folder"`
	Type           string `json:"type,omitempty"`       // ext4
	Device         string `json:"device,omitempty"`     // /dev/sda1, or what the file system has instead
	MountPoint     string `json:"mountPoint,omitempty"` // /var
	TotalBytes     int64  `json:"totalBytes"`
	FreeBytes      int64  `json:"freeBytes"`      // also for root
	AvailableBytes int64  `json:"availableBytes"` // for others
	Inodes         int64  `json:"inodes"`         // how many files there may be; 0: without a bound
	FreeInodes     int64  `json:"freeInodes"`
	ReadOnly       bool   `json:"readOnly"`
	Problem        string `json:"problem,omitempty"` // why nothing of this is known
}

func (r files) storage(folders []string) []FileSystem {
	list := []FileSystem{}
	mounts := parseMounts(r.text("proc/self/mountinfo"))
	for _, folder := range folders {
		list = append(list, fileSystem(folder, mounts))
	}
	return list
}

func fileSystem(folder string, mounts []*mountinfo.Info) FileSystem {
	fs := FileSystem{Folder: folder}
	var s unix.Statfs_t
	err := unix.Statfs(folder, &s)
	for errors.Is(err, unix.EINTR) {
		err = unix.Statfs(folder, &s)
	}
	if err != nil {
		fs.Problem = err.Error()
		return fs
	}
	block := uint64(s.Frsize)
	if block == 0 {
		block = uint64(s.Bsize)
	}
	fs.TotalBytes, fs.FreeBytes, fs.AvailableBytes = product(s.Blocks, block), product(s.Bfree, block), product(s.Bavail, block)
	fs.Inodes, fs.FreeInodes = product(s.Files, 1), product(s.Ffree, 1)
	fs.ReadOnly = s.Flags&unix.ST_RDONLY != 0
	if m := mountOf(folder, mounts); m != nil {
		fs.Type, fs.Device, fs.MountPoint = m.FSType, m.Source, m.Mountpoint
	}
	return fs
}

// product is n times size, or the greatest number.
func product(n, size uint64) int64 {
	if size != 0 && n > math.MaxInt64/size {
		return math.MaxInt64
	}
	return int64(n * size)
}

// mountOf finds the mount that a folder is on: that with the longest mount point
// above it, and of several on one point the last.
func mountOf(folder string, mounts []*mountinfo.Info) (found *mountinfo.Info) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	for _, m := range mounts {
		above := m.Mountpoint == "/" || path == m.Mountpoint || strings.HasPrefix(path, m.Mountpoint+"/")
		if above && (found == nil || len(m.Mountpoint) >= len(found.Mountpoint)) {
			found = m
		}
	}
	return found
}

// parseMounts reads proc_pid_mountinfo(5); nothing when it is not as it should be.
func parseMounts(text string) []*mountinfo.Info {
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(text), nil)
	if err != nil {
		return nil
	}
	return mounts
}
