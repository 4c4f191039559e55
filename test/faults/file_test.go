package faults

import (
	"context"
	"slices"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// file is an open file of a disk.
type file struct {
	*fs.LoopbackFile
	disk *disk
	name string // when it was opened
}

// PassthroughFd keeps the kernel from going past the disk.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

func (f *file) Read(ctx context.Context, buf []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if errno := f.disk.fails(opRead, f.name); errno != 0 {
		return nil, errno
	}
	return f.LoopbackFile.Read(ctx, buf, offset)
}

func (f *file) Write(ctx context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	// Shared memory over a file is written back in pages, at any time; its
	// blocks are there by then, so no disk is too full for it.
	if strings.HasSuffix(f.name, "-shm") && len(data) > 1 {
		return f.LoopbackFile.Write(ctx, data, offset)
	}
	if errno := f.disk.fails(opWrite, f.name); errno != 0 {
		return 0, errno
	}
	f.disk.volatile.writes(f.inode(ctx), offset, len(data), func(page []byte, at int64) { f.readPage(ctx, page, at) })
	return f.LoopbackFile.Write(ctx, data, offset)
}

// Writev is Write for data in pieces.
func (f *file) Writev(ctx context.Context, data [][]byte, offset int64) (uint32, syscall.Errno) {
	return f.Write(ctx, slices.Concat(data...), offset)
}

func (f *file) Allocate(ctx context.Context, offset, size uint64, mode uint32) syscall.Errno {
	if errno := f.disk.fails(opTruncate, f.name); errno != 0 {
		return errno
	}
	return f.LoopbackFile.Allocate(ctx, offset, size, mode)
}

func (f *file) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	if fault := f.disk.check(opFsync, f.name); fault != nil {
		if fault.lose {
			f.disk.volatile.lost(f.inode(ctx))
		}
		return fault.errno
	}
	f.disk.volatile.synced(f.inode(ctx))
	return 0 // nobody cuts the power of the real disk: its sync would only cost time
}

// readPage is what a page holds, as far as the file goes.
func (f *file) readPage(ctx context.Context, page []byte, offset int64) {
	result, errno := f.LoopbackFile.Read(ctx, page, offset)
	if errno != 0 {
		return
	}
	got, _ := result.Bytes(make([]byte, len(page)))
	copy(page, got)
	result.Done()
}

func (f *file) inode(ctx context.Context) uint64 {
	var out fuse.AttrOut
	_ = f.Getattr(ctx, &out)
	return out.Ino
}

// stream is what the loopback file system reads a folder with.
type stream interface {
	fs.FileReaddirenter
	fs.FileReleasedirer
	fs.FileSeekdirer
	fs.FileFsyncdirer
}

// folder is an open folder of a disk.
type folder struct {
	stream
	disk *disk
	name string
}

func (f *folder) Fsyncdir(context.Context, uint32) syscall.Errno {
	return f.disk.fails(opFsync, f.name)
}
