package durable

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/landfall-dev/landfall/internal/priority"
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
	hurry   time.Duration
}

// Hurry makes Fill write what there is when a piece takes longer than d to come:
// what a slow source has given is soon in the file, at a price in processor time.
func (w *Writer) Hurry(d time.Duration) { w.hurry = d }

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
	pieceSize = 1 << 20  // of large content
	sliceSize = 64 << 10 // what is hashed before others get the processor
	blockSize = 4 << 10  // what direct access has to be aligned to, in files and in memory
	// largeJobs is how many writers may have large buffers at once, two each;
	// others go on with small ones.
	largeJobs = 16
)

var (
	largeTurns = make(chan struct{}, largeJobs)
	pairs      = sync.Pool{New: func() any { return &[2][]byte{alignedBuffer(pieceSize), alignedBuffer(pieceSize)} }}
)

func alignedBuffer(size uintptr) []byte {
	b := make([]byte, size+blockSize)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % blockSize
	return b[skip : skip+size : skip+size]
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
	for {
		// The first piece ends where a block does.
		n, err := f.read((*buf)[:BufferSize-int(f.offset%blockSize)])
		for slice := range slices.Chunk((*buf)[:n], sliceSize) {
			if _, err := f.Write(slice); err != nil {
				return false, err
			}
			f.note(slice)
			if err := f.done(len(slice)); err != nil {
				return false, err
			}
		}
		if err != nil {
			return false, err
		}
		if f.takeTurn() {
			return true, nil
		}
	}
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
func (f *filling) read(buf []byte) (n int, err error) {
	if f.hurry > 0 {
		n, err = readFor(f.source, buf, f.hurry)
	} else {
		n, err = readAll(f.source, buf)
	}
	if err == nil {
		err = context.Cause(f.ctx)
	}
	return n, err
}

// hurriedPiece is what a source in no hurry gives at once, in bytes: more would be
// lost if it stopped altogether.
const hurriedPiece = 128 << 10

// readFor is readAll that is content with what came within a while, and with a
// small piece of a source that gives less than eight of them in that time.
func readFor(r io.Reader, buf []byte, d time.Duration) (n int, err error) {
	for began := time.Now(); n < len(buf) && err == nil; {
		var more int
		limit := len(buf)
		if n < hurriedPiece {
			limit = min(limit, hurriedPiece)
		}
		more, err = r.Read(buf[n:limit])
		n += more
		took := time.Since(began)
		if n > 0 && took > d || n >= hurriedPiece && took > d/8 {
			break
		}
	}
	return n, err
}

// note hashes, and gives way: whoever waits for a processor to answer a client
// must not wait for much of this.
func (f *filling) note(p []byte) {
	for slice := range slices.Chunk(p, sliceSize) {
		_, _ = f.hash.Write(slice) // as hashes do, it takes everything
		priority.GiveWay()
	}
}

// large reads a piece while the one before is hashed and written.
func (f *filling) large() error {
	defer func() { <-largeTurns }()
	pair := pairs.Get().(*[2][]byte)
	defer pairs.Put(pair)
	if f.direct = openDirect(f.file, os.O_WRONLY); f.direct != nil {
		defer func() { f.direct.Close() }()
	}
	next := begin(func() piece { return f.piece(pair[0]) })
	for i := 1; ; i = 1 - i {
		p := <-next
		if p.err == nil {
			next = begin(func() piece { return f.piece(pair[i]) })
		}
		if err := f.keep(p.bytes); err != nil {
			if p.err == nil {
				<-next // the source is the caller's again
			}
			return err
		}
		if p.err != nil {
			return p.err
		}
	}
}

// piece is what one buffer took, and why no more comes.
type piece struct {
	bytes []byte
	err   error
}

func (f *filling) piece(buf []byte) piece {
	n, err := f.read(buf)
	return piece{buf[:n], err}
}

// keep writes, hashes and counts.
func (f *filling) keep(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	written := begin(func() error { return f.write(p) })
	f.note(p)
	if err := <-written; err != nil {
		return err
	}
	return f.done(len(p))
}

// begin runs f in the background; its result has to be received.
func begin[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
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
