package faults

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// volatile is what a power cut finds other than programs see it. When a sync
// fails, Linux takes the pages for written: it goes on showing the new bytes,
// reports the failure once, and does not try again. They are lost with the
// power, unless somebody writes to the page once more.
type volatile struct {
	mu    sync.Mutex            // protects the field below
	files map[uint64]*unwritten // by inode
}

// unwritten has the pages of one file as they are on the disk itself.
type unwritten struct {
	dirty  map[int64][]byte // to be written by the next sync
	doomed map[int64][]byte // never to be written
}

const pageSize = 4096

func (v *volatile) file(inode uint64) *unwritten {
	if v.files == nil {
		v.files = map[uint64]*unwritten{}
	}
	f := v.files[inode]
	if f == nil {
		f = &unwritten{map[int64][]byte{}, map[int64][]byte{}}
		v.files[inode] = f
	}
	return f
}

// writes notes the pages that a write changes; read reads one of them.
func (v *volatile) writes(inode uint64, offset int64, n int, read func(page []byte, offset int64)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.file(inode)
	for page := offset / pageSize; page*pageSize < offset+int64(n); page++ {
		if f.dirty[page] != nil {
			continue
		}
		old := f.doomed[page]
		delete(f.doomed, page)
		if old == nil {
			old = make([]byte, pageSize)
			read(old, page*pageSize)
		}
		f.dirty[page] = old
	}
}

// synced: what was dirty is on the disk.
func (v *volatile) synced(inode uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.file(inode).dirty)
}

// lost: what was dirty will never be on the disk.
func (v *volatile) lost(inode uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.file(inode)
	for page, old := range f.dirty {
		f.doomed[page] = old
	}
	clear(f.dirty)
}

// forget is for an inode that another file has now.
func (v *volatile) forget(inode uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.files, inode)
}

// powerCut gives the files below a folder the bytes that the disk has.
func (v *volatile) powerCut(t *testing.T, root string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f := v.files[info.Sys().(*syscall.Stat_t).Ino]
		if f == nil || len(f.doomed) == 0 {
			return nil
		}
		return f.restore(path, info.Size())
	})
	if err != nil {
		t.Fatal(err)
	}
	v.files = nil
}

func (f *unwritten) restore(path string, size int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for page, old := range f.doomed {
		if _, err := file.WriteAt(old, page*pageSize); err != nil {
			return err
		}
	}
	return file.Truncate(size) // the length is noted apart from the bytes
}
