package inventory

import (
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// mount is a line of /proc/self/mounts.
type mount struct{ device, point, kind string }

// parseMounts reads mounts in the order in which they were made.
func parseMounts(text string) (list []mount) {
	for _, row := range rows(text, 3) {
		list = append(list, mount{unescape(row[0]), unescape(row[1]), row[2]})
	}
	return list
}

// unescape reads what fstab(5) writes of blanks: "\040".
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// above is the mount that a path is on; of several at one point, the last.
func above(list []mount, path string) (found mount) {
	for _, m := range list {
		on := m.point == "/" || path == m.point || strings.HasPrefix(path, m.point+"/")
		if on && len(m.point) >= len(found.point) {
			found = m
		}
	}
	return found
}

// disks are the file systems of folders. A folder that is not there yet is on that of
// the nearest one above it, which is told of anyway.
func (r reader) disks(folders []string) (list []host.Disk) {
	mounts := parseMounts(r.text("proc/self/mounts"))
	for _, f := range folders {
		var s unix.Statfs_t
		err := unix.Statfs(r.path(f), &s)
		for errors.Is(err, unix.EINTR) {
			err = unix.Statfs(r.path(f), &s)
		}
		if err != nil {
			continue
		}
		real := f // where links lead to
		if p, err := filepath.EvalSymlinks(r.path(f)); err == nil {
			real = filepath.Join("/", strings.TrimPrefix(p, strings.TrimSuffix(string(r), "/")))
		}
		m := above(mounts, real)
		block := uint64(s.Frsize)
		if block == 0 {
			block = uint64(s.Bsize)
		}
		list = append(list, host.Disk{Path: f, Mount: m.point, Device: m.device, Type: m.kind, Size: product(s.Blocks, block), Free: product(s.Bavail, block)})
	}
	return list
}

// product is n times size, or the greatest number.
func product(n, size uint64) int64 {
	if size != 0 && n > math.MaxInt64/size {
		return math.MaxInt64
	}
	return int64(n * size)
}
