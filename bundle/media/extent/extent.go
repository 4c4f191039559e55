// Package extent reads a file that lies in pieces on a device.
package extent

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/landfall-dev/landfall/registry"
)

// Run is a piece of a file.
type Run struct {
	At     int64 // where in the file it begins
	Start  int64 // where on the device
	Length int64
}

// File is an open file. It can be read from several goroutines, and holds
// nothing that has to be closed: it is readable while the device is.
type File struct {
	device  io.ReaderAt
	runs    []Run
	size    int64
	written int64
}

// New is a file of so many bytes. Its runs follow each other without a gap and
// cover the first written bytes; the others are zero.
func New(device io.ReaderAt, runs []Run, size, written int64) *File {
	return &File{device: device, runs: runs, size: size, written: written}
}

// Size is the file's length in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt implements io.ReaderAt. io.ErrUnexpectedEOF when the device ends before
// the file does.
func (f *File) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("%w: offset %d", registry.ErrInvalid, offset)
	}
	if offset >= f.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > f.size-offset
	if short {
		p = p[:f.size-offset]
	}
	for n < len(p) && err == nil {
		var m int
		m, err = f.readSome(p[n:], offset+int64(n))
		n += m
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// readSome reads the part of p that is in one run.
func (f *File) readSome(p []byte, offset int64) (int, error) {
	if offset >= f.written {
		clear(p)
		return len(p), nil
	}
	p = p[:min(int64(len(p)), f.written-offset)]
	r := f.runs[sort.Search(len(f.runs), func(i int) bool { return f.runs[i].At > offset })-1]
	p = p[:min(int64(len(p)), r.At+r.Length-offset)]
	n, err := f.device.ReadAt(p, r.Start+offset-r.At)
	return n, Short(n, len(p), err)
}

// Full fills p from a device, or says why not.
func Full(device io.ReaderAt, p []byte, offset int64) error {
	n, err := device.ReadAt(p, offset)
	return Short(n, len(p), err)
}

// Short is the error of a read of n bytes where want have to be: nil when they
// are there, io.ErrUnexpectedEOF when the device has ended.
func Short(n, want int, err error) error {
	switch {
	case n == want:
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
