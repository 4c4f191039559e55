package faults

import (
	"context"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// disk is a folder whose operations can be made to fail.
type disk struct {
	faults
	dir     string // where programs see it
	backing string // what is really there; the kernel caches nothing of it
	server  *fuse.Server

	volatile volatile
}

// newDisk mounts a disk until the test ends.
func newDisk(t *testing.T) *disk {
	t.Helper()
	need(t)
	d := &disk{dir: tempDir(t), backing: tempDir(t)}
	d.mount(t)
	t.Cleanup(func() { d.unmount(t) })
	return d
}

// tempDir is a folder with a short path, which t.TempDir has not: sockets
// need one.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (d *disk) mount(t *testing.T) {
	t.Helper()
	data := &fs.LoopbackRoot{Path: d.backing}
	var st syscall.Stat_t
	if err := syscall.Stat(d.backing, &st); err != nil {
		t.Fatal(err)
	}
	data.Dev = st.Dev
	data.NewNode = func(data *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder { //nolint:staticcheck // its successor wraps nodes, these are to be the nodes
		return &node{LoopbackNode: fs.LoopbackNode{RootData: data}, disk: d}
	}
	root := data.NewNode(data, nil, "", &st) //nolint:staticcheck // see above
	data.RootNode = root
	var none time.Duration
	server, err := fs.Mount(d.dir, root, &fs.Options{
		EntryTimeout: &none, AttrTimeout: &none, // every look-up is an operation
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "faults", Name: "faults"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.server = server
}

// unmount takes the disk away, and with it what the kernel cached of it. What
// still uses it gets errors.
func (d *disk) unmount(t *testing.T) {
	t.Helper()
	d.lift()
	if d.server == nil {
		return
	}
	if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
		t.Errorf("unmount: %v", err)
		return
	}
	d.server.Wait()
	d.server = nil
}

// powerCut takes the disk away from all programs, which have to be ended, and
// brings back what a power cut leaves of it.
func (d *disk) powerCut(t *testing.T) {
	t.Helper()
	d.unmount(t)
	d.volatile.powerCut(t, d.backing)
	d.mount(t)
}

// node is a file or folder of a disk.
type node struct {
	fs.LoopbackNode
	disk *disk
}

func (n *node) name(child string) string { return path.Join(n.Path(n.Root()), child) }

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.disk.fails(opCreate, n.name(name)); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, handle, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	f := n.wrap(handle, n.name(name))
	n.disk.volatile.forget(f.inode(ctx)) // another file may have had it
	return inode, f, fuseFlags | keepCache(name), 0
}

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	kind := opOpen
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		kind = opOpenWrite
	}
	if errno := n.disk.fails(kind, n.name("")); errno != 0 {
		return nil, 0, errno
	}
	handle, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.wrap(handle, n.name("")), fuseFlags | keepCache(n.name("")), 0
}

// keepCache keeps the database's pages over an open, as other file systems
// do: one of its files is shared memory. Whoever opens a blob shall get to the
// disk.
func keepCache(name string) uint32 {
	if strings.Contains(name, "landfall.db") {
		return fuse.FOPEN_KEEP_CACHE
	}
	return 0
}

func (n *node) wrap(handle fs.FileHandle, name string) *file {
	return &file{LoopbackFile: handle.(*fs.LoopbackFile), disk: n.disk, name: name}
}

func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.fails(opCreate, n.name(name)); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mknod(ctx, name, mode, dev, out)
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.disk.fails(opMkdir, n.name(name)); errno != 0 {
		return nil, errno
	}
	return n.LoopbackNode.Mkdir(ctx, name, mode, out)
}

func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	if errno := n.disk.fails(opUnlink, n.name(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Unlink(ctx, name)
}

func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	if errno := n.disk.fails(opUnlink, n.name(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rmdir(ctx, name)
}

func (n *node) Rename(ctx context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if errno := n.disk.fails(opRename, n.name(name)); errno != 0 {
		return errno
	}
	return n.LoopbackNode.Rename(ctx, name, parent, newName, flags)
}

func (n *node) Setattr(ctx context.Context, handle fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	kind := opChange
	if _, ok := in.GetSize(); ok {
		kind = opTruncate
	}
	if errno := n.disk.fails(kind, n.name("")); errno != 0 {
		return errno
	}
	if f, ok := handle.(*file); ok {
		handle = f.LoopbackFile
	}
	return n.LoopbackNode.Setattr(ctx, handle, in, out)
}

// CopyFileRange sends programs to read and write, which are counted.
func (n *node) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

func (n *node) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	handle, fuseFlags, errno := n.LoopbackNode.OpendirHandle(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &folder{stream: handle.(stream), disk: n.disk, name: n.name("")}, fuseFlags, 0
}
