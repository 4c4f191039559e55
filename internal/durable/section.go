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
}

// cloneFrom is from which size on blocks are shared, in bytes: for less, copying
// is as fast.
const cloneFrom = 64 << 10

// Section reads size bytes of the source from an offset on.
func (s *Source) Section(offset, size int64) *Section {
	return &Section{io.NewSectionReader(s, offset, size), s.file, offset, &s.unclonable}
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
