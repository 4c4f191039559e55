// Package durable writes files so that they survive a power cut: bytes first,
// then the name, then the folder that holds the name. Large ones it reads and
// writes past the page cache, and shares their blocks where the file system can.
// It knows nothing of what the files mean.
package durable

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/landfall-dev/landfall/internal/priority"
)

// BufferSize is the unit in which large files are read and written, in bytes:
// it fits a processor's cache between reading, hashing and writing.
const BufferSize = 256 << 10

var buffers = sync.Pool{New: func() any { b := alignedBuffer(BufferSize); return &b }}

// Copy copies r to w in whole buffers, so that a slow source does not become
// many small writes, until r ends or ctx does. r's own errors are returned as
// they are, io.EOF as nil.
func Copy(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := readAll(r, *buf)
		if n > 0 {
			if _, werr := w.Write((*buf)[:n]); werr != nil {
				return werr
			}
			priority.GiveWay()
		}
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// readAll fills buf as far as r goes and returns r's own error, which
// io.ReadFull would replace.
func readAll(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// IsAt reports whether an open file still has its name.
func IsAt(f *os.File, path string) (bool, error) {
	have, err := f.Stat()
	if err != nil {
		return false, err
	}
	want, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(have, want), err
}

// Sync returns when the file's bytes and its length are on the disk.
func Sync(f *os.File) error { return syncData(f) }

// SyncDir returns when the names in a folder are on the disk.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Rename moves a synced file to its name and makes the name durable.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// MkdirAll is os.MkdirAll with durable names.
func MkdirAll(path string, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := MkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, mode); err != nil && !os.IsExist(err) {
		return err
	}
	return SyncDir(parent)
}

// WriteFile replaces a file as a whole: at every moment there is the old one
// or the new one under its name.
func WriteFile(path string, content []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}
