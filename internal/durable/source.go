package durable

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Source reads a large file that nobody will read again soon: whole blocks that
// go into aligned memory, as those of Fill do, come past the page cache. All
// else is read as usual.
type Source struct {
	file   *os.File
	direct atomic.Pointer[os.File] // nil: not possible
	opened *os.File                // what direct was at first

	proven     atomic.Pointer[stamp] // the file as it was when it was proven; nil: it was not
	unclonable atomic.Bool           // its blocks cannot be shared with those who asked
}

// NewSource reads from f, which stays the caller's to close after Close.
func NewSource(f *os.File) *Source {
	s := &Source{file: f, opened: openDirect(f, os.O_RDONLY)}
	s.direct.Store(s.opened)
	return s
}

// ReadAt implements io.ReaderAt.
func (s *Source) ReadAt(p []byte, offset int64) (int, error) {
	blocks := len(p) &^ (blockSize - 1)
	direct := s.direct.Load()
	if direct == nil || blocks == 0 || !aligned(p, offset) {
		return s.file.ReadAt(p, offset)
	}
	n, err := direct.ReadAt(p[:blocks], offset)
	if errors.Is(err, syscall.EINVAL) { // larger blocks, or it promised too much
		s.direct.Store(nil)
		return s.file.ReadAt(p, offset)
	}
	if err != nil || n == len(p) {
		return n, err
	}
	m, err := s.file.ReadAt(p[n:], offset+int64(n))
	return n + m, err
}

func aligned(p []byte, offset int64) bool {
	return (uintptr(unsafe.Pointer(unsafe.SliceData(p)))|uintptr(offset))%blockSize == 0
}

// Close lets go of what NewSource opened.
func (s *Source) Close() error {
	if s.opened == nil {
		return nil
	}
	return s.opened.Close()
}

var _ io.ReaderAt = (*Source)(nil)
