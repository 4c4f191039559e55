package media_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/registry"
)

// A stick with ext4 arrives by the kernel's event alone, and is read by a mount
// that is read-only, nodev, nosuid and noexec, that nobody else sees, and that
// changes nothing. Links, pipes and devices on it are passed over. It says by
// whom it is read, is ejected when it is not, and is not looked at again then.
func TestExt4(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	dir := t.TempDir()
	path, _ := newBundle(t)
	write(t, dir+"/in/site.bundle", read(t, path))
	write(t, dir+"/\x1b[31mred\n.bundle", read(t, path))
	if err := errors.Join(
		os.Symlink("/etc/shadow", dir+"/shadow.bundle"),
		syscall.Mkfifo(dir+"/pipe.bundle", 0o666),
		syscall.Mknod(dir+"/zero.bundle", syscall.S_IFCHR|0o666, 0x105),
		syscall.Mknod(dir+"/disk.bundle", syscall.S_IFBLK|0o666, 0x700),
	); err != nil {
		t.Fatal(err)
	}
	image := ext4(t, dir)
	run(t, "tune2fs", "-e", "panic", image) // it shall not have its way

	w := watch(t, s.onlyEvents())
	s.insert(image, false)
	d := w.of(media.Arrived)
	if d.Device != s.name || d.Type != "ext4" || d.Label != `ST\x1bICK` || d.Size != 128<<20 || len(d.UUID) != 36 || !d.ReadOnly {
		t.Errorf("%+v", d)
	}
	if d.State != media.Ready || d.Access != media.ByOwn || d.Where != "" {
		t.Errorf("%+v", d)
	}
	if got, want := names(d), []string{`\x1b[31mred\n.bundle`, "in/site.bundle"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	w.proven(d, "in/site.bundle")

	f, err := w.Open(t.Context(), d.ID, candidate(t, d, "in/site.bundle").ID, "import 12")
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.OS().Fd()), &st); err != nil {
		t.Fatal(err)
	}
	const want = unix.ST_RDONLY | unix.ST_NODEV | unix.ST_NOSUID | unix.ST_NOEXEC
	if st.Flags&want != want {
		t.Errorf("flags %#x", st.Flags)
	}
	if options := string(read(t, "/proc/fs/ext4/"+s.name+"/options")); !strings.Contains(options, "errors=remount-ro") || !strings.Contains(options, "noload") && !strings.Contains(options, "norecovery") {
		t.Error(options)
	}
	if mounts := string(read(t, "/proc/self/mountinfo")); strings.Contains(mounts, s.name) {
		t.Error(mounts)
	}
	if err := w.Eject(t.Context(), d.ID); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "import 12") {
		t.Errorf("%v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Eject(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	if d := w.of(media.Safe); d.State != media.Ejected || len(d.Candidates) != 0 {
		t.Errorf("%+v", d)
	}
	if !exclusive(s.path) {
		t.Error("the device is in use")
	}
	w.Rescan()
	if _, err := w.Open(t.Context(), d.ID, "x", "x"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v", err)
	}
	s.pull()
	w.of(media.Removed)
	s.insert(ext4(t, dir), false)
	if other := w.of(media.Arrived); other.ID == d.ID || other.State != media.Ready {
		t.Errorf("%+v", other)
	}
}

// Whatever is done with a drive, not a byte of it changes: not even the journal
// that a computer left behind which was switched off.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	dir := t.TempDir()
	write(t, dir+"/x.bundle", []byte("x"))
	image := ext4(t, dir)
	run(t, "debugfs", "-w", "-R", "feature +needs_recovery", image)
	before := read(t, image)
	w := watch(t, s.onlyEvents())
	s.insert(image, false)
	d := w.of(media.Arrived)
	if d.State != media.Ready || d.Access != media.ByOwn {
		t.Fatalf("%+v", d)
	}
	if err := w.Eject(t.Context(), d.ID); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, read(t, image)) {
		t.Error("the image has changed")
	}
}

// pulledOut reads a drive while it is pulled out, puts it into another slot, and
// reads on there.
func pulledOut(t *testing.T, image string, access media.Access, content []byte) {
	s, other := newSlot(t), newSlot(t)
	o := s.onlyEvents()
	o.Devices = append(o.Devices, other.name)
	w := watch(t, o)
	same := copyOf(t, image)
	s.insert(image, true)
	d := w.of(media.Arrived)
	if d.Access != access {
		t.Fatalf("%+v", d)
	}
	c := candidate(t, d, "large.bundle")
	f, err := w.Open(t.Context(), d.ID, c.ID, "an import")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	half := int64(len(content) / 2)
	p := make([]byte, half)
	if _, err := f.ReadAt(p, 0); err != nil || !bytes.Equal(p, content[:half]) {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		for at := half; ; at = half + (at+4096-half)%(half-4096) { // over and over
			if _, err := f.ReadAt(make([]byte, 4096), at); err != nil {
				ended <- err
				return
			}
		}
	}()
	s.pull()
	if err := <-ended; !errors.Is(err, media.ErrRemoved) || !errors.Is(err, registry.ErrUnreachable) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if gone := w.of(media.Removed); gone.ID != d.ID {
		t.Errorf("%+v", gone)
	}
	if _, err := f.ReadAt(p, 0); !errors.Is(err, media.ErrRemoved) {
		t.Errorf("what was read before: %v", err)
	}
	if err := f.Explain(syscall.EIO); !errors.Is(err, media.ErrRemoved) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	if _, err := w.Open(t.Context(), d.ID, c.ID, "an import"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v", err)
	}

	other.insert(same, true)
	back := w.of(media.Arrived)
	if back.ID != d.ID || back.Device == d.Device {
		t.Errorf("%+v", back)
	}
	f2, err := w.Open(t.Context(), back.ID, c.ID, "an import")
	if err != nil {
		t.Fatal(err)
	}
	defer f2.Close()
	if _, err := f2.ReadAt(p, half); err != nil || !bytes.Equal(p, content[half:]) {
		t.Error(err)
	}
}

// A drive that is pulled out while it is read is told apart from one that is bad,
// and is known again when it is back, wherever.
func TestPulledOut(t *testing.T) {
	t.Parallel()
	content := random(32 << 20)
	t.Run("mounted", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		write(t, dir+"/large.bundle", content)
		pulledOut(t, ext4(t, dir), media.ByOwn, content)
	})
	t.Run("bare", func(t *testing.T) {
		t.Parallel()
		pulledOut(t, vfat(t, map[string][]byte{"large.bundle": content}), media.ByDevice, content)
	})
}

// Another medium in the same slot is another one.
func TestSwappedMedium(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	w := watch(t, s.onlyEvents())
	first, second := t.TempDir(), t.TempDir()
	write(t, first+"/first.bundle", random(1<<20))
	write(t, second+"/second.bundle", random(1<<20))
	images := []string{ext4(t, first), ext4(t, second)}
	s.insert(images[0], true)
	d := w.of(media.Arrived)
	f, err := w.Open(t.Context(), d.ID, candidate(t, d, "first.bundle").ID, "an import")
	if err != nil {
		t.Fatal(err)
	}
	s.pull()
	if gone := w.of(media.Removed); gone.ID != d.ID {
		t.Errorf("%+v", gone)
	}
	if err := errors.Join(f.Close(), f.Close()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	s.insert(images[1], true)
	next := w.of(media.Arrived)
	if next.ID == d.ID || !slices.Equal(names(next), []string{"second.bundle"}) {
		t.Errorf("%+v", next)
	}
}

// A drive that fails and stays is bad, not removed.
func TestBadMedium(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	w := watch(t, s.onlyEvents())
	s.insert(vfat(t, map[string][]byte{"large.bundle": random(32 << 20)}), true)
	d := w.of(media.Arrived)
	f, err := w.Open(t.Context(), d.ID, candidate(t, d, "large.bundle").ID, "an import")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.fail()
	if _, err := f.ReadAt(make([]byte, 1<<20), 20<<20); !errors.Is(err, syscall.EIO) || errors.Is(err, media.ErrRemoved) {
		t.Errorf("%v", err)
	}
	if w.seen(media.Removed) > 0 {
		t.Error("it is told to be removed")
	}
}

// What the kernel tells of a medium's end counts, before the medium cannot be
// seen any more.
func TestToldOfItsEnd(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	w := watch(t, s.onlyEvents())
	s.insert(vfat(t, nil), true)
	w.of(media.Arrived)
	for _, action := range []string{"remove", "add"} {
		write(t, "/sys/block/"+s.name+"/uevent", []byte(action))
		want := map[string]media.Kind{"remove": media.Removed, "add": media.Arrived}[action]
		if d := w.of(want); d.Device != s.name {
			t.Errorf("%+v", d)
		}
	}
}

// A drive with FAT is read without the kernel's FAT, with partitions too, and two
// that are the same, bit by bit, are two.
func TestVFAT(t *testing.T) {
	t.Parallel()
	needProgram(t, "sfdisk", "partx")
	path, signer := newBundle(t)
	fs := vfat(t, map[string][]byte{"a long name for a site.bundle": read(t, path), "other.txt": random(5000)})
	disk := newImage(t, 200<<20)
	run(t, "sh", "-c", `printf '2048,262144,c\n,4096,83\n' | sfdisk -q "$0" && dd if="$1" of="$0" bs=1M seek=1 conv=notrunc status=none`, disk, fs)
	s, other := newSlot(t), newSlot(t)
	o := s.onlyEvents()
	o.Devices = []string{s.name, other.name}
	for at, image := range map[*slot]string{s: disk, other: copyOf(t, disk)} {
		at.insert(image, true)
		at.partitions()
	}
	w := watch(t, o)
	byName := map[string]media.Drive{}
	for range 4 {
		d := w.of(media.Arrived)
		byName[d.Device] = d
	}
	d := byName[s.name+"p1"]
	if d.Type != "vfat" || d.Label != "STICK" || d.Access != media.ByDevice || d.State != media.Ready || d.Size != 128<<20 {
		t.Errorf("%+v", d)
	}
	c := candidate(t, d, "a long name for a site.bundle")
	if c.Header == nil || !slices.Equal(c.Header.Signers, []string{signer}) {
		t.Errorf("%+v", c)
	}
	w.proven(d, c.Name)
	if empty := byName[s.name+"p2"]; empty.State != media.Unreadable || !strings.Contains(empty.Reason, "no file system") {
		t.Errorf("%+v", empty)
	}
	if twin := byName[other.name+"p1"]; twin.ID == d.ID || !strings.HasPrefix(twin.ID, d.ID) && !strings.HasPrefix(d.ID, twin.ID) {
		t.Errorf("%s and %s", twin.ID, d.ID)
	}
	f, err := w.Open(t.Context(), d.ID, c.ID, "import 12")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Eject(t.Context(), byName[s.name+"p2"].ID); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "import 12") {
		t.Errorf("the other partition: %v", err)
	}
	f.Close()
	if err := w.Eject(t.Context(), d.ID); err != nil {
		t.Error(err)
	}
	for range 2 { // the disk can be pulled out when both can
		if got := w.of(media.Safe); !strings.HasPrefix(got.Device, s.name) {
			t.Errorf("%+v", got)
		}
	}
}

// What another program writes to exFAT is read.
func TestExFAT(t *testing.T) {
	t.Parallel()
	needProgram(t, "mkfs.exfat", "mount.exfat-fuse")
	s := newSlot(t)
	image := newImage(t, 256<<20)
	run(t, "mkfs.exfat", "-L", "STICK", image)
	path, _ := newBundle(t)
	dir := t.TempDir()
	s.insert(image, false)
	run(t, "mount.exfat-fuse", s.path, dir)
	large := random(9 << 20)
	for i, name := range []string{"1", "2", "3", "4"} { // holes, for what comes later
		write(t, dir+"/hole"+name, large[:1<<20])
		if i%2 == 0 {
			run(t, "rm", dir+"/hole"+name)
		}
	}
	write(t, dir+"/in/a bundle with a name that is long, 漢字.bundle", read(t, path))
	write(t, dir+"/large.bundle", large)
	w := watch(t, s.onlyEvents())
	d := w.of(media.Arrived)
	if d.Access != media.ByMount || d.Where != dir || d.Type != "exfat" {
		t.Errorf("%+v", d)
	}
	w.proven(d, "in/a bundle with a name that is long, 漢字.bundle")
	unmount(t, dir)
	d = *w.next("it is read bare", func(e media.Event) bool { return e.Kind == media.Changed && e.Drive.Access == media.ByDevice }).Drive
	w.proven(d, "in/a bundle with a name that is long, 漢字.bundle")
	f, err := w.Open(t.Context(), d.ID, candidate(t, d, "large.bundle").ID, "a test")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.OS() != nil {
		t.Error("there is a file of the system's")
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What somebody else has mounted is read there, while it is; who may write to it
// has to unmount it.
func TestMounted(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	dir, at := t.TempDir(), filepath.Join(t.TempDir(), "a place")
	path, _ := newBundle(t)
	write(t, dir+"/site.bundle", read(t, path))
	write(t, at+"/under.bundle", nil)
	o := s.onlyEvents()
	o.Mount = false
	w := watch(t, o)
	s.insert(ext4(t, dir), false)
	if d := w.of(media.Arrived); d.State != media.Unreadable || !strings.Contains(d.Reason, "ext4 can only be read when it is mounted") {
		t.Errorf("%+v", d)
	}
	run(t, "mount", "-o", "rw", s.path, at)
	d := w.of(media.Changed)
	if d.State != media.Ready || d.Access != media.ByMount || d.Where != at || d.ReadOnly || !slices.Equal(names(d), []string{"site.bundle"}) {
		t.Errorf("%+v", d)
	}
	w.proven(d, "site.bundle")
	if err := w.Eject(t.Context(), d.ID); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), at) {
		t.Errorf("%v", err)
	}
	write(t, at+"/another.bundle", read(t, path))
	w.Rescan()
	w.next("another", func(e media.Event) bool { return e.Kind == media.Changed && len(e.Drive.Candidates) == 2 })
	unmount(t, at)
	if d := w.next("unmounted", func(e media.Event) bool { return e.Kind == media.Changed && e.Drive.State == media.Unreadable }).Drive; len(d.Candidates) != 0 {
		t.Errorf("%+v", d)
	}
}

// A mount below a folder of the operator's is a drive, whatever the device is:
// all that a container can see.
func TestMountBelowFolder(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	dir, folder := t.TempDir(), t.TempDir()
	path, _ := newBundle(t)
	write(t, dir+"/site.bundle", read(t, path))
	w := watch(t, media.Options{NoDevices: true, Folders: []string{folder}, Every: 1 << 62})
	if d := w.of(media.Arrived); d.Access != media.ByFolder || len(d.Candidates) != 0 {
		t.Errorf("%+v", d)
	}
	s.insert(ext4(t, dir), false)
	write(t, folder+"/stick/x", nil)
	run(t, "mount", "-o", "ro", s.path, folder+"/stick")
	d := w.of(media.Arrived)
	if d.Access != media.ByMount || d.Where != folder+"/stick" || !d.ReadOnly {
		t.Errorf("%+v", d)
	}
	w.proven(d, "site.bundle")
	unmount(t, folder+"/stick")
	if gone := w.of(media.Removed); gone.ID != d.ID {
		t.Errorf("%+v", gone)
	}
}

// A file system that does not answer holds up nobody: others are looked through,
// and the watcher ends.
func TestHung(t *testing.T) {
	t.Parallel()
	need(t, "root", os.Geteuid() == 0)
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	need(t, "FUSE", err == nil)
	defer fuse.Close() // ends what hangs, before the watcher is asked whether it leaves nothing
	hung, fine := t.TempDir(), t.TempDir()
	write(t, fine+"/x.bundle", nil)
	if err := syscall.Mount("nobody", hung, "fuse", 0, "rootmode=40000,user_id=0,group_id=0,fd="+strconv.Itoa(int(fuse.Fd()))); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(hung, syscall.MNT_DETACH) }()
	w := watch(t, media.Options{NoDevices: true, Folders: []string{hung, fine}})
	if d := w.of(media.Arrived); d.Where != fine || len(d.Candidates) != 1 {
		t.Errorf("%+v", d)
	}
	write(t, fine+"/y.bundle", nil)
	w.Rescan()
	if d := w.of(media.Changed); d.Where != fine || len(d.Candidates) != 2 {
		t.Errorf("%+v", d)
	}
}
