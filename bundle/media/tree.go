package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/bundle/media/extent"
	"github.com/landfall-dev/landfall/bundle/media/fat"
	"github.com/landfall-dev/landfall/bundle/media/iso"
	"github.com/landfall-dev/landfall/registry"
)

// tree is the files of a drive. Its methods can be called at the same time, also
// with close, after which they fail; what was opened stays open.
type tree interface {
	root() node
	// list yields the files and folders of a folder, and nothing else that is in it.
	list(ctx context.Context, folder node) iter.Seq2[node, error]
	open(ctx context.Context, file node) (content, error)
	close()
}

// node is a file or folder of a tree.
type node struct {
	name     string
	folder   bool
	size     int64
	modified time.Time
	stamp    string // changes when the content does; empty: unknown
	place    any    // for the tree
}

// content is an open file.
type content struct {
	io.ReaderAt
	size int64
	file *os.File // what has to be closed
	bare bool     // file is not the content, but the device that it is on
}

// errOtherTree: a node was found in another tree, before the drive was read in
// the way that it is now.
var errOtherTree = fmt.Errorf("%w: the drive is being looked through again", registry.ErrConflict)

// volume is what package fat and package iso have in common.
type volume[E any] interface {
	Root() E
	List(ctx context.Context, folder E) iter.Seq2[E, error]
	Open(ctx context.Context, file E) (*extent.File, error)
}

// deviceTree reads a device without the kernel's file systems. openAgain opens
// its volume over another open file of the device, so that what was opened
// outlives the tree.
type deviceTree[E any] struct {
	device *os.File
	volume volume[E]
	again  func(device *os.File) (volume[E], error)
	node   func(E) node
}

func newFATTree(device *os.File, size int64, v *fat.Volume) tree {
	return &deviceTree[fat.Entry]{device, v,
		func(f *os.File) (volume[fat.Entry], error) { return fat.Open(f, size) },
		func(e fat.Entry) node { return node{e.Name, e.Folder, e.Size, e.Modified, "", e} },
	}
}

func newISOTree(device *os.File, v *iso.Volume) tree {
	return &deviceTree[iso.Entry]{device, v,
		func(f *os.File) (volume[iso.Entry], error) { return iso.Open(f) },
		func(e iso.Entry) node { return node{e.Name, e.Folder, e.Size, e.Modified, "", e} },
	}
}

func (t *deviceTree[E]) root() node { return t.node(t.volume.Root()) }

func (t *deviceTree[E]) list(ctx context.Context, folder node) iter.Seq2[node, error] {
	return func(yield func(node, error) bool) {
		e, ok := folder.place.(E)
		if !ok {
			yield(node{}, errOtherTree)
			return
		}
		for e, err := range t.volume.List(ctx, e) {
			if err != nil {
				yield(node{}, err)
				return
			}
			if !yield(t.node(e), nil) {
				return
			}
		}
	}
}

func (t *deviceTree[E]) open(ctx context.Context, file node) (c content, err error) {
	e, ok := file.place.(E)
	if !ok {
		return c, errOtherTree
	}
	device, err := reopen(t.device)
	if err != nil {
		return c, err
	}
	v, err := t.again(device)
	if err == nil {
		var f *extent.File
		if f, err = v.Open(ctx, e); err == nil {
			return content{f, f.Size(), device, true}, nil
		}
	}
	device.Close()
	return c, err
}

func (t *deviceTree[E]) close() { t.device.Close() }

// reopen opens what an open file is once more, for reading.
func reopen(f *os.File) (again *os.File, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	if controlErr := conn.Control(func(held uintptr) {
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			fd, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", held), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
	}); controlErr != nil {
		return nil, controlErr
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: Printable(f.Name()), Err: err}
	}
	return os.NewFile(uintptr(fd), Printable(f.Name())), nil // it is named in errors
}
