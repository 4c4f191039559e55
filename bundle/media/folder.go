package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// folderTree reads what the kernel shows below an open folder. Nothing of it is
// followed or crossed, and nothing but files and folders is ever opened: the kind
// is asked of the very thing that is opened then.
type folderTree struct {
	held  *os.File                 // a mount of our own; nil: reach
	reach func() (*os.File, error) // opens what is somebody else's for each use: who holds it keeps them from unmounting it
}

// beneath is how everything is looked up: openat2(2), Linux 5.6.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

func (t *folderTree) root() node { return node{folder: true, place: "."} }

func (t *folderTree) close() {
	if t.held != nil {
		t.held.Close()
	}
}

// openAt opens something below the top.
func (t *folderTree) openAt(name string, flags uint64) (*os.File, error) {
	top := t.held
	if top == nil {
		var err error
		if top, err = t.reach(); err != nil {
			return nil, err
		}
		defer top.Close()
	}
	conn, err := top.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	controlErr := conn.Control(func(at uintptr) {
		how := unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: beneath}
		for err = unix.EINTR; errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN); {
			fd, err = unix.Openat2(int(at), name, &how)
		}
	})
	if err = errors.Join(controlErr, err); err != nil {
		return nil, fmt.Errorf("%s: %w", Printable(name), err)
	}
	return os.NewFile(uintptr(fd), Printable(name)), nil
}

func (t *folderTree) list(ctx context.Context, folder node) iter.Seq2[node, error] {
	return func(yield func(node, error) bool) {
		at, ok := folder.place.(string)
		if !ok {
			yield(node{}, errOtherTree)
			return
		}
		f, err := t.openAt(at, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			yield(node{}, err)
			return
		}
		defer f.Close()
		for {
			names, err := f.Readdirnames(256)
			for _, name := range names {
				if n, ok := stat(f, at, name); ok && !yield(n, nil) {
					return
				}
			}
			if err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					yield(node{}, err)
				}
				return
			}
		}
	}
}

// stat looks at an entry of a folder, without opening it.
func stat(folder *os.File, at, name string) (n node, ok bool) {
	var s unix.Stat_t
	conn, err := folder.SyscallConn()
	if err != nil {
		return n, false
	}
	controlErr := conn.Control(func(fd uintptr) {
		err = unix.Fstatat(int(fd), name, &s, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	})
	kind := s.Mode & unix.S_IFMT
	if controlErr != nil || err != nil || kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return n, false
	}
	return node{
		name: name, folder: kind == unix.S_IFDIR, size: s.Size, modified: time.Unix(s.Mtim.Unix()).UTC(),
		stamp: fmt.Sprint(s.Dev, s.Ino, s.Size, s.Ctim.Nano()), place: path.Join(at, name),
	}, true
}

// open takes hold of a file without opening it first, so that a device is not
// woken, and then opens what it holds.
func (t *folderTree) open(_ context.Context, file node) (c content, err error) {
	at, ok := file.place.(string)
	if !ok {
		return c, errOtherTree
	}
	held, err := t.openAt(at, unix.O_PATH)
	if err != nil {
		return c, err
	}
	defer held.Close()
	info, err := held.Stat()
	if err != nil {
		return c, err
	}
	if !info.Mode().IsRegular() {
		return c, fmt.Errorf("%s: not a regular file any more", Printable(file.name))
	}
	f, err := reopen(held)
	if err != nil {
		return c, err
	}
	return content{f, info.Size(), f, false}, nil
}
