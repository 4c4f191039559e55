package appliance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// gate is where the bytes of a folder's files pass, on their way out, or in. It
// counts them, and can hold them up or be broken.
type gate struct {
	dir     string // where programs see the folder
	backing string // what is really there
	writes  bool   // what is written passes, instead of what is read

	mu     sync.Mutex // protects the rest
	passed int64
	limit  int64         // of passed; 0: there is none
	broken bool          // all fails from now on
	change chan struct{} // closed at the next change of these
	held   chan struct{} // closed when something is held up
}

// newGate mounts a folder with a gate until the test ends.
func newGate(t *testing.T, dir string) *gate {
	t.Helper()
	need(t, "/dev/fuse")
	g := &gate{dir: dir, backing: t.TempDir(), change: make(chan struct{})}
	data := &fs.LoopbackRoot{Path: g.backing}
	var st syscall.Stat_t
	if err := syscall.Stat(g.backing, &st); err != nil {
		t.Fatal(err)
	}
	data.Dev = st.Dev
	data.NewNode = func(data *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder { //nolint:staticcheck // its successor wraps nodes, these are to be the nodes
		return &gatedNode{LoopbackNode: fs.LoopbackNode{RootData: data}, gate: g}
	}
	root := data.NewNode(data, nil, "", &st) //nolint:staticcheck // see above
	data.RootNode = root
	server, err := fs.Mount(dir, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "gate", Name: "gate", MaxWrite: 256 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.shatter() // whoever is held up
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		server.Wait()
	})
	return g
}

// place puts a copy of a file behind the gate, and returns where it is seen.
func (g *gate) place(t *testing.T, file string) string {
	t.Helper()
	run(t, "cp", "--sparse=always", file, filepath.Join(g.backing, filepath.Base(file)))
	return filepath.Join(g.dir, filepath.Base(file))
}

// hold holds up what comes after so many more bytes; the channel is closed when
// something is.
func (g *gate) hold(more int64) (held <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.held = g.passed+more, make(chan struct{})
	g.changed()
	return g.held
}

// open lets everything pass.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.held = 0, nil
	g.changed()
}

// shatter lets everything fail.
func (g *gate) shatter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = true
	g.changed()
}

// changed wakes who is held up. The caller holds mu.
func (g *gate) changed() {
	close(g.change)
	g.change = make(chan struct{})
}

// pass waits until n bytes may pass.
func (g *gate) pass(ctx context.Context, n int) syscall.Errno {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.broken && g.limit > 0 && g.passed+int64(n) > g.limit {
		if g.held != nil {
			close(g.held)
			g.held = nil
		}
		change := g.change
		g.mu.Unlock()
		select {
		case <-change:
			g.mu.Lock()
		case <-ctx.Done():
			g.mu.Lock()
			return syscall.EINTR
		}
	}
	if g.broken {
		return syscall.EIO
	}
	g.passed += int64(n)
	return 0
}

// count is how many bytes have passed.
func (g *gate) count() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed
}

// gatedNode is a file or folder behind a gate.
type gatedNode struct {
	fs.LoopbackNode
	gate *gate
}

func (n *gatedNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, handle, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, &gatedFile{handle.(*fs.LoopbackFile), n.gate}, fuseFlags | fuse.FOPEN_DIRECT_IO, 0
}

// Open bypasses the kernel's cache: each read is one here.
func (n *gatedNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	handle, fuseFlags, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return &gatedFile{handle.(*fs.LoopbackFile), n.gate}, fuseFlags | fuse.FOPEN_DIRECT_IO, 0
}

func (n *gatedNode) Setattr(ctx context.Context, handle fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if f, ok := handle.(*gatedFile); ok {
		handle = f.LoopbackFile
	}
	return n.LoopbackNode.Setattr(ctx, handle, in, out)
}

// CopyFileRange sends programs to read and write.
func (n *gatedNode) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64, uint64) (uint32, syscall.Errno) {
	return 0, syscall.EOPNOTSUPP
}

// gatedFile is an open file behind a gate.
type gatedFile struct {
	*fs.LoopbackFile
	gate *gate
}

// PassthroughFd keeps the kernel from going past the gate.
func (f *gatedFile) PassthroughFd() (int, bool) { return 0, false }

func (f *gatedFile) Read(ctx context.Context, buf []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if !f.gate.writes {
		if errno := f.gate.pass(ctx, len(buf)); errno != 0 {
			return nil, errno
		}
	}
	return f.LoopbackFile.Read(ctx, buf, offset)
}

func (f *gatedFile) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if f.gate.writes {
		if errno := f.gate.pass(ctx, len(data)); errno != 0 {
			return 0, errno
		}
	}
	return f.LoopbackFile.Write(ctx, data, offset)
}

// Writev is Write for data in pieces.
func (f *gatedFile) Writev(ctx context.Context, data [][]byte, offset int64) (uint32, syscall.Errno) {
	return f.Write(ctx, slices.Concat(data...), offset)
}

// await waits until a gate holds something up.
func await(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-happens:
	case <-ctx.Done():
		t.Fatalf("never: %s", what)
	}
}

// identify tells which file the appliance has to see at a path.
func identify(t *testing.T, path string) (device, inode uint64) {
	t.Helper()
	s := must(os.Stat(path))(t).Sys().(*syscall.Stat_t)
	return s.Dev, s.Ino
}
