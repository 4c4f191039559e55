package powerloss

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// diskSize is small, and so is the journal: cuts are cheap to rebuild, and the
// journal's end comes round often.
const diskSize = 128 << 20

// record is one step in a disk's life: a write, or a flush when data is nil.
type record struct {
	offset int64
	data   []byte
}

// disk is the one file of a FUSE file system that a loop device lies upon. It
// keeps its bytes and its life in memory.
type disk struct {
	fs.Inode
	first []byte // its bytes when the log was empty

	mu      sync.Mutex // protects the fields below
	content []byte
	log     []record
}

var (
	_ fs.NodeOpener    = (*disk)(nil)
	_ fs.NodeGetattrer = (*disk)(nil)
	_ fs.NodeReader    = (*disk)(nil)
	_ fs.NodeWriter    = (*disk)(nil)
	_ fs.NodeFsyncer   = (*disk)(nil)
)

// Open bypasses the kernel's cache of the file, so that a write is here before
// the loop device calls it done.
func (d *disk) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(len(d.first))
	return 0
}

func (d *disk) Read(_ context.Context, _ fs.FileHandle, dest []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if offset >= int64(len(d.content)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, d.content[offset:])]), 0
}

func (d *disk) Write(_ context.Context, _ fs.FileHandle, data []byte, offset int64) (uint32, syscall.Errno) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if offset+int64(len(data)) > int64(len(d.content)) {
		return 0, syscall.ENOSPC
	}
	copy(d.content[offset:], data)
	d.log = append(d.log, record{offset, slices.Clone(data)})
	return uint32(len(data)), 0
}

// Fsync is what the loop device makes of a flush of its cache.
func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, record{})
	return 0
}

// position is how much has reached the disk until now.
func (d *disk) position() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.log))
}

// newDisk makes a formatted disk and returns it with the path of its file.
func newDisk(t *testing.T) (*disk, string) {
	t.Helper()
	dir := t.TempDir()
	formatted := format(t)
	d := &disk{first: formatted, content: slices.Clone(formatted)}
	root := &fs.Inode{}
	server, err := fs.Mount(dir, root, &fs.Options{
		OnAdd: func(ctx context.Context) {
			root.AddChild("disk", root.NewPersistentInode(ctx, d, fs.StableAttr{Mode: syscall.S_IFREG}), false)
		},
		MountOptions: fuse.MountOptions{DirectMountStrict: true, DisableXAttrs: true, MaxWrite: 1 << 20, FsName: "landfall-disk"},
	})
	if err != nil {
		skip(t, "FUSE: "+err.Error())
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return d, filepath.Join(dir, "disk")
}

// format returns the bytes of an empty file system.
func format(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "formatted")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, diskSize); err != nil {
		t.Fatal(err)
	}
	if err := command(t.Context(), "mkfs.ext4", "-q", "-m", "0", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// mount puts the file system of a disk at a folder; its loop device goes away
// with unmount.
func mount(disk, dir string) error {
	return command(context.Background(), "mount", "-t", "ext4", "-o", "loop", disk, dir)
}

// unmount waits for who has just been killed to let go.
func unmount(dir string) error {
	err := command(context.Background(), "umount", dir)
	for deadline := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
		err = command(context.Background(), "umount", dir)
	}
	return err
}

// A sync of a file ends with a flush of the disk, and what was written is in
// the log before it: else no cut here proves anything.
func TestDiskSeesFlushes(t *testing.T) {
	needDisk(t)
	d, path := newDisk(t)
	dir := t.TempDir()
	if err := mount(path, dir); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	}()
	if _, err := exec.LookPath("sync"); err != nil {
		t.Fatal(err)
	}
	content := noise(1, 3*4096)
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	before := d.position()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	written, flushed := d.find(content, before), d.lastFlush()
	if written < 0 || flushed < written {
		t.Errorf("after a sync the bytes are at position %d, the last flush at %d, the end is %d", written, flushed, d.position())
	}
}

// find is the position of a write of exactly these bytes, -1 when there is none.
func (d *disk) find(content []byte, from int64) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, r := range d.log[from:] {
		if slices.Equal(r.data, content) {
			return from + int64(i)
		}
	}
	return -1
}

// lastFlush is the position of the last flush, -1 when there is none.
func (d *disk) lastFlush() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return lastFlush(d.log)
}

func lastFlush(log []record) int64 {
	for i, r := range slices.Backward(log) {
		if r.data == nil {
			return int64(i)
		}
	}
	return -1
}
