package api

import (
	"io"
	"os"
)

// maxInMemory is what a spool holds without a file, in bytes.
const maxInMemory = 1 << 20

// spool holds bytes for a moment: few in memory, also on a full disk, and many in a
// file without a name.
type spool struct {
	folder string
	memory []byte
	file   *os.File
	size   int64
	failed error // of the disk
}

// Write implements io.Writer.
func (s *spool) Write(p []byte) (int, error) {
	if s.size += int64(len(p)); s.size > maxOutline {
		return 0, errLarge
	}
	if s.file == nil && s.size <= maxInMemory {
		s.memory = append(s.memory, p...)
		return len(p), nil
	}
	if s.file == nil {
		if s.failed = s.create(); s.failed != nil {
			return 0, s.failed
		}
	}
	var n int
	n, s.failed = s.file.Write(p)
	return n, s.failed
}

// create goes on in a file. It has no name from the start on: nothing is left behind,
// whatever happens.
func (s *spool) create() (err error) {
	if s.file, err = os.CreateTemp(s.folder, "outline-*"); err != nil {
		return err
	}
	if err = os.Remove(s.file.Name()); err == nil {
		_, err = s.file.Write(s.memory)
	}
	s.memory = nil
	return err
}

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, offset)
	}
	n := copy(p, s.memory[min(offset, int64(len(s.memory))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
