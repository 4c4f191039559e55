//go:build linux

package durable

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// startWriteBack is advice: a file system that does not take it still syncs.
func startWriteBack(f *os.File, offset, n int64) {
	if n > 0 {
		_ = unix.SyncFileRange(int(f.Fd()), offset, n, unix.SYNC_FILE_RANGE_WRITE)
	}
}

// openDirect opens a file once more, to read or write past the page cache; nil
// where that is not possible.
func openDirect(f *os.File, flag int) *os.File {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flag|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), f.Name())
}

// cloneRange shares blocks of a file with the start of another.
func cloneRange(to, from *os.File, offset, n int64) error {
	return unix.IoctlFileCloneRange(int(to.Fd()), &unix.FileCloneRange{Src_fd: int64(from.Fd()), Src_offset: uint64(offset), Src_length: uint64(n)})
}

func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync "+f.Name(), err)
		}
	}
}

// SyncAll returns when everything is on the disk that was written to the file
// system of f.
func SyncAll(f *os.File) error {
	return os.NewSyscallError("syncfs "+f.Name(), unix.Syncfs(int(f.Fd())))
}

// Allocate reserves size bytes for a file, so that a full disk is known before
// the first byte is fetched. File systems that cannot reserve only get the length.
func Allocate(f *os.File, size int64) error {
	err := unix.EINTR
	for err == unix.EINTR {
		err, _ = unix.Fallocate(int(f.Fd()), 0, 0, size).(unix.Errno)
	}
	switch {
	case err == 0:
		return nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return f.Truncate(size)
	}
	return os.NewSyscallError("fallocate "+f.Name(), err)
}

// Written reports whether the region was ever written, as far as the file
// system can tell: false means that it surely was not.
func Written(f *os.File, offset, n int64) bool {
	if n == 0 {
		return true
	}
	hole, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_HOLE)
	return err != nil || hole >= offset+n
}

// Lock takes the file for this process alone; false when another has it. It
// is let go by Unlock, or when the process ends, however it ends.
func Lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock "+f.Name(), err)
}

// Unlock lets go of a file that Lock has taken. Closing it alone does so too, but
// later when a process is being started at that moment, which has it open until then.
func Unlock(f *os.File) error {
	return os.NewSyscallError("flock "+f.Name(), unix.Flock(int(f.Fd()), unix.LOCK_UN))
}

// Forget drops what memory holds of a file that nobody has changed, so that the
// next read is the disk's answer. It is advice, and kept by all common systems.
func Forget(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

// Free is how many bytes an ordinary user may still write beside path.
func Free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, os.NewSyscallError("statfs "+path, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}
