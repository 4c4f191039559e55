package durable

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
)

// Section is a part of a large file that is read once. Where the file system
// can, it gives its blocks to another file instead of being copied (reflink).
type Section struct {
	*io.SectionReader
	file    *os.File
	offset  int64
	refused *atomic.Bool // somebody's try has shown that it cannot be
	proven  *atomic.Pointer[stamp]
}

// cloneFrom is from which size on blocks are shared, in bytes: for less, copying
// is as fast.
const cloneFrom = 64 << 10

// Section reads size bytes of the source from an offset on.
func (s *Source) Section(offset, size int64) *Section {
	return &Section{io.NewSectionReader(s, offset, size), s.file, offset, &s.unclonable, &s.proven}
}

// Proven reports whether the file is as it was when Prove was called.
func (s *Section) Proven() bool {
	p := s.proven.Load()
	return p != nil && *p == stampOf(s.file)
}

// stamp tells whether a file was changed.
type stamp struct {
	size           int64
	changed, times syscall.Timespec // of anything, of its content
}

// stampOf is the zero stamp when a file does not tell.
func stampOf(f *os.File) (s stamp) {
	var st syscall.Stat_t
	if syscall.Fstat(int(f.Fd()), &st) == nil {
		s = stamp{st.Size, st.Ctim, st.Mtim}
	}
	return s
}

// Prove runs a proof of the whole file, and remembers that it was successful as
// long as the file does not change.
func (s *Source) Prove(proof func() error) error {
	before := stampOf(s.file)
	err := proof()
	if after := stampOf(s.file); err == nil && before != (stamp{}) && before == after {
		s.proven.Store(&before)
	}
	return err
}

// CloneTo makes an empty file consist of the section, without reading it, and
// reports whether it did: it cannot be where the offset is not a block's, or the
// file systems are not the same or cannot share blocks.
func (s *Section) CloneTo(to *os.File) (bool, error) {
	size := s.Size()
	if size < cloneFrom || s.offset%blockSize != 0 || s.refused.Load() {
		return false, nil
	}
	info, err := s.file.Stat()
	if err != nil || info.Size() < s.offset+size {
		return false, nil // reading it will tell
	}
	// Whole blocks only, but for those at the file's end.
	blocks := min((size+blockSize-1)/blockSize*blockSize, info.Size()-s.offset)
	err = cloneRange(to, s.file, s.offset, blocks)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		return false, err
	case err != nil:
		s.refused.Store(true)
		return false, nil
	}
	return true, to.Truncate(size)
}
