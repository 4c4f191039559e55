package media_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/bundle/media"
)

// slot is a loop device of the test's own, which nobody else uses: where a stick
// can be put in and pulled out.
type slot struct {
	t      *testing.T
	number int
	name   string // loop123
	path   string
	device *os.File // while something is in
	image  *os.File
}

func newSlot(t *testing.T) *slot {
	t.Helper()
	need(t, "root", os.Geteuid() == 0)
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	need(t, "loop devices", err == nil)
	defer control.Close()
	for range 50 {
		n := 1000 + rand.IntN(100_000)
		if err = unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_ADD, n); err == nil {
			s := &slot{t: t, number: n, name: fmt.Sprint("loop", n), path: fmt.Sprint("/dev/loop", n)}
			t.Cleanup(s.remove)
			return s
		}
	}
	t.Fatal(err)
	return nil
}

func (s *slot) remove() {
	if s.device != nil {
		s.device.Close() // it clears itself
		s.image.Close()
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer control.Close()
	err = retry(func() error { return unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_REMOVE, s.number) })
	if err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
}

// retry does what cannot be done while the kernel is still at something else:
// what was read ahead, or a mount that ends.
func retry(do func() error) (err error) {
	for range 100 {
		if err = do(); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// insert puts an image in.
func (s *slot) insert(image string, readOnly bool) {
	s.t.Helper()
	var err error
	if s.image, err = os.OpenFile(image, os.O_RDWR, 0); err != nil {
		s.t.Fatal(err)
	}
	c := unix.LoopConfig{Fd: uint32(s.image.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_PARTSCAN}}
	if readOnly {
		c.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	if err := retry(func() error { return s.configure(&c) }); err != nil {
		s.t.Fatal(err)
	}
}

// partitions shows what a disk's table has, where the kernel itself reads none.
func (s *slot) partitions() {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join("/sys/block", s.name, s.name+"p1")); err != nil {
		run(s.t, "partx", "-a", s.path)
	}
}

// configure opens the device only for as long as it takes: as long as it is open,
// what was in it before stays.
func (s *slot) configure(c *unix.LoopConfig) (err error) {
	if s.device, err = os.OpenFile(s.path, os.O_RDWR, 0); err != nil {
		return err
	}
	if err = unix.IoctlLoopConfigure(int(s.device.Fd()), c); err != nil {
		s.device.Close()
	}
	return err
}

// fail makes the medium answer with errors, and stay there.
func (s *slot) fail() {
	s.t.Helper()
	if err := s.image.Truncate(0); err != nil {
		s.t.Fatal(err)
	}
	// What the kernel has read already it would go on to show.
	if _, _, err := unix.Syscall(unix.SYS_IOCTL, s.device.Fd(), unix.BLKFLSBUF, 0); err != 0 {
		s.t.Fatal(err)
	}
}

// pull takes the medium out, as from a card reader: it answers with errors, and
// then the device says that it is empty.
func (s *slot) pull() {
	s.t.Helper()
	if err := s.image.Truncate(0); err != nil {
		s.t.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(s.device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		s.t.Fatal(err)
	}
	s.device.Close()
	s.image.Close()
	s.device = nil
}

// onlyEvents are options of a watcher that never looks by itself.
func (s *slot) onlyEvents() media.Options {
	return media.Options{Mount: true, Devices: []string{s.name}, Every: 1 << 62}
}

// copyOf copies an image, since a slot's is destroyed when it is pulled out.
func copyOf(t *testing.T, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	run(t, "cp", "--sparse=always", image, path)
	return path
}

// newImage makes an empty file of so many bytes.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	write(t, path, nil)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// ext4 makes an image of what is in a folder.
func ext4(t *testing.T, folder string) string {
	t.Helper()
	needProgram(t, "mkfs.ext4")
	image := newImage(t, 128<<20)
	run(t, "mkfs.ext4", "-q", "-F", "-L", "ST\x1bICK", "-d", folder, image)
	return image
}

// vfat makes an image with some files in it.
func vfat(t *testing.T, files map[string][]byte) string {
	t.Helper()
	needProgram(t, "mkfs.vfat", "mcopy")
	image := newImage(t, 128<<20)
	run(t, "mkfs.vfat", "-F", "32", "-n", "STICK", image)
	for name, content := range files {
		path := filepath.Join(t.TempDir(), "content")
		write(t, path, content)
		run(t, "mcopy", "-i", image, path, "::"+name)
	}
	return image
}

// exclusive reports whether nobody uses a device.
func exclusive(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_EXCL, 0)
	if err == nil {
		f.Close()
	}
	return !errors.Is(err, unix.EBUSY)
}

// unmount unmounts, also what is being looked at for a moment.
func unmount(t *testing.T, at string) {
	t.Helper()
	if err := retry(func() error { return unix.Unmount(at, unix.UMOUNT_NOFOLLOW) }); err != nil {
		t.Fatal(err)
	}
}

func random(n int) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	return content
}
