package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// parseMounts is the mount points of a mountinfo (proc_pid_mountinfo(5)), in its order.
// Lines that it does not understand are left out.
func parseMounts(content []byte) (points []string) {
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescape(fields[4]))
		}
	}
	return points
}

// unescape takes the octal escapes of blanks and backslashes out.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) < 3 {
			return b.String() + `\` + after
		}
		c, err := strconv.ParseUint(after[:3], 8, 8)
		if err != nil {
			b.WriteByte('\\')
			s = after
			continue
		}
		b.WriteByte(byte(c))
		s = after[3:]
	}
}

// mountsBelow is what is mounted at or below a folder of the host, the innermost first.
// The folder's own mount point is in the list too when it is one.
func (t *tree) mountsAt(folder string) (points []string) {
	content, err := t.read("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for _, p := range parseMounts(content) {
		if within(p, folder) {
			points = append(points, p)
		}
	}
	slices.Reverse(points)
	return points
}

// mountsBelow leaves the folder itself out: it may have a file system of its own.
func (t *tree) mountsBelow(folder string) []string {
	return slices.DeleteFunc(t.mountsAt(folder), func(p string) bool { return p == folder })
}

// unmountBelow unmounts all that is mounted below a folder. What is busy is detached:
// it ends with whoever uses it.
func (t *tree) unmountBelow(folder string) error {
	var errs []error
	for _, p := range t.mountsBelow(folder) {
		errs = append(errs, t.unmount(p))
	}
	return errors.Join(errs...)
}

// unmount unmounts what is mounted at a path; nothing is done.
func (t *tree) unmount(path string) error {
	at := filepath.Join(t.path, path)
	err := unix.Unmount(at, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(at, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}
