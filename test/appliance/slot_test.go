package appliance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slot is a loop device of a test's own, where a drive can be put in and pulled
// out.
type slot struct {
	t      *testing.T
	number int
	name   string   // loop123
	device *os.File // while something is in
	image  *os.File
}

func newSlot(t *testing.T) *slot {
	t.Helper()
	need(t, "/dev/loop-control")
	control := must(os.OpenFile("/dev/loop-control", os.O_RDWR, 0))(t)
	defer control.Close()
	for range 50 {
		n := 1000 + rand.IntN(100_000)
		if unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_ADD, n) != nil {
			continue
		}
		s := &slot{t: t, number: n, name: fmt.Sprint("loop", n)}
		notes := must(os.OpenFile(loopsFile(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600))(t)
		fmt.Fprintln(notes, s.name)
		notes.Close()
		t.Cleanup(s.remove)
		return s
	}
	t.Fatal("no loop device can be made")
	return nil
}

func (s *slot) path() string { return "/dev/" + s.name }

func (s *slot) remove() {
	if s.device != nil {
		s.device.Close() // it clears itself
		s.image.Close()
	}
	control := must(os.OpenFile("/dev/loop-control", os.O_RDWR, 0))(s.t)
	defer control.Close()
	if err := retry(func() error { return unix.IoctlSetInt(int(control.Fd()), unix.LOOP_CTL_REMOVE, s.number) }); err != nil {
		s.t.Errorf("%s: %v", s.name, err)
	}
}

// retry does what cannot be done while the kernel is still at something else.
func retry(do func() error) (err error) {
	for range 200 {
		if err = do(); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// insert puts an image in.
func (s *slot) insert(image string) {
	s.t.Helper()
	s.image = must(os.OpenFile(image, os.O_RDWR, 0))(s.t)
	c := unix.LoopConfig{Fd: uint32(s.image.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR | unix.LO_FLAGS_READ_ONLY}}
	err := retry(func() (err error) {
		if s.device, err = os.OpenFile(s.path(), os.O_RDONLY, 0); err != nil {
			return err
		}
		if err = unix.IoctlLoopConfigure(int(s.device.Fd()), &c); err != nil {
			s.device.Close()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// pull takes the drive out, as from a card reader: it answers with errors, and then
// the device says that it is empty. The image is lost.
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

// newImage makes an empty file of so many bytes.
func newImage(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// ext4 makes an image of what is in a folder.
func ext4(t *testing.T, folder string) string {
	t.Helper()
	need(t, "mkfs.ext4")
	image := newImage(t, 96<<20)
	run(t, "mkfs.ext4", "-q", "-F", "-L", "STICK", "-d", folder, image)
	return image
}

// copyFile copies a file into a folder, under a name.
func copyFile(t *testing.T, file, folder, as string) string {
	t.Helper()
	to := filepath.Join(folder, as)
	run(t, "cp", "--sparse=always", file, to)
	return to
}
