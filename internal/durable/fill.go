package durable

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Writer writes to a region of a file.
//
// Large content goes past the page cache (O_DIRECT), one piece while the next
// is read and hashed: it costs a fraction of the processor time, waits for
// nothing at the final sync, and leaves in memory what is read often. Small
// content, ends that fill no block, and file systems that cannot do it take the
// way through the page cache, with write-back from the start.
type Writer struct {
	file    *os.File
	offset  int64 // where the next byte goes
	started int64 // up to where write-back was asked for
}

// NewWriter writes to f from an offset on.
func NewWriter(f *os.File, offset int64) *Writer {
	return &Writer{file: f, offset: offset, started: offset}
}

// writeBackEvery is after how many bytes the kernel is asked to start writing
// them to the disk. Left to itself it waits until the final sync, and the disk
// idles meanwhile: four to five times slower for large files.
const writeBackEvery = 8 << 20

// Write goes through the page cache.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.file.WriteAt(p, w.offset)
	w.offset += int64(n)
	if w.offset-w.started >= writeBackEvery {
		w.Flush()
	}
	return n, err
}

// Offset is where the next byte goes.
func (w *Writer) Offset() int64 { return w.offset }

// Flush asks for write-back of what is left. It waits for nothing and promises
// nothing; Sync does.
func (w *Writer) Flush() {
	startWriteBack(w.file, w.started, w.offset-w.started)
	w.started = w.offset
}

const (
	pieceSize = 1 << 20 // of large content
	blockSize = 4 << 10 // what direct writes have to be aligned to, in files and in memory
	// largeJobs is how many writers may have large buffers at once, two each;
	// others go on with small ones.
	largeJobs = 16
)

var (
	largeTurns = make(chan struct{}, largeJobs)
	pairs      = sync.Pool{New: func() any { return &[2][]byte{alignedBuffer(), alignedBuffer()} }}
)

func alignedBuffer() []byte {
	b := make([]byte, pieceSize+blockSize)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % blockSize
	return b[skip : skip+pieceSize : skip+pieceSize]
}

// Fill writes r until that ends or ctx does. Each piece is handed to hash while
// it is written, and done, when both have ended, is told its length: then hash
// has seen exactly what is in the file. Either may be nil. r's own errors are
// returned as they are, io.EOF as nil; what came before is in the file and was
// told. After another error hash may have seen more.
func (w *Writer) Fill(ctx context.Context, r io.Reader, hash io.Writer, done func(n int) error) error {
	if hash == nil {
		hash = io.Discard
	}
	if done == nil {
		done = func(int) error { return nil }
	}
	f := &filling{Writer: w, ctx: ctx, source: r, hash: hash, done: done}
	large, err := f.small()
	if large {
		err = f.large()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// filling is one call of Fill. Its parts return the source's io.EOF.
type filling struct {
	*Writer
	ctx    context.Context
	source io.Reader
	hash   io.Writer
	done   func(int) error
	direct *os.File // nil: not possible
}

// small copies piece by piece, and says when it is worth while to go on with
// large ones.
func (f *filling) small() (large bool, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for copied := 0; copied < pieceSize || !f.takeTurn(); {
		// The first piece ends where a block does.
		n, err := f.read((*buf)[:BufferSize-int(f.offset%blockSize)])
		if n > 0 {
			if _, err := f.Write((*buf)[:n]); err != nil {
				return false, err
			}
			f.hash.Write((*buf)[:n])
			if err := f.done(n); err != nil {
				return false, err
			}
			copied += n
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

func (f *filling) takeTurn() bool {
	select {
	case largeTurns <- struct{}{}:
		return true
	default:
		return false
	}
}

// read is readAll that ctx ends.
func (f *filling) read(buf []byte) (int, error) {
	n, err := readAll(f.source, buf)
	if err == nil {
		err = context.Cause(f.ctx)
	}
	return n, err
}

// large writes each piece in the background, two in turn.
func (f *filling) large() error {
	defer func() { <-largeTurns }()
	pair := pairs.Get().(*[2][]byte)
	defer pairs.Put(pair)
	if f.direct = openDirect(f.file); f.direct != nil {
		defer func() { f.direct.Close() }()
	}
	pieces, written := make(chan []byte), make(chan error, 1)
	var writer sync.WaitGroup
	writer.Go(func() {
		for p := range pieces {
			written <- f.write(p)
		}
	})
	defer writer.Wait()
	defer close(pieces)
	pending := 0
	settle := func() error { // waits for the piece that is being written
		if pending == 0 {
			return nil
		}
		n := pending
		pending = 0
		if err := <-written; err != nil {
			return err
		}
		return f.done(n)
	}
	for i := 0; ; i = 1 - i {
		n, err := f.read(pair[i])
		if err := settle(); err != nil {
			return err
		}
		if n > 0 {
			pieces <- pair[i][:n]
			pending = n
			f.hash.Write(pair[i][:n])
		}
		if err != nil {
			if settleErr := settle(); settleErr != nil {
				return settleErr
			}
			return err
		}
	}
}

// write writes the blocks of p directly if it can, and the rest as usual.
func (f *filling) write(p []byte) error {
	if blocks := len(p) &^ (blockSize - 1); f.direct != nil && blocks > 0 {
		n, err := f.direct.WriteAt(p[:blocks], f.offset)
		if errors.Is(err, syscall.EINVAL) { // larger blocks, or it promised too much
			f.direct.Close()
			f.direct, err = nil, nil
		}
		f.Flush() // of what came before
		f.offset += int64(n)
		f.started = f.offset
		if err != nil {
			return err
		}
		p = p[n:]
	}
	if len(p) == 0 {
		return nil
	}
	_, err := f.Write(p)
	return err
}
