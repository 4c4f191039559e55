package durable

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
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

// Hurry makes Fill write what there is of a piece each d: what a slow source has
// given is soon in the file, at a price in processor time.
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
	// hurriedPiece is the first of a source that may stop at any time.
	hurriedPiece = 128 << 10
	pieceSize    = 1 << 20  // of large content
	sliceSize    = 64 << 10 // what is hashed before others get the processor
	blockSize    = 4 << 10  // what direct access has to be aligned to, in files and in memory
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
	first := BufferSize
	if f.hurry > 0 {
		first = min(first, hurriedPiece)
	}
	var came atomic.Int64
	for {
		// The first piece ends where a block does.
		n, err := f.read((*buf)[:first-int(f.offset%blockSize)], &came)
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

// read is readAll that ctx ends. came is told how much is in buf.
func (f *filling) read(buf []byte, came *atomic.Int64) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = f.source.Read(buf[n:])
		n += more
		came.Store(int64(n))
	}
	if err == nil {
		err = context.Cause(f.ctx)
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
		defer func() {
			if f.direct != nil {
				f.direct.Close()
			}
		}()
	}
	next := f.begin(pair[0])
	for i := 1; ; i = 1 - i {
		p, err := f.await(next)
		if err == nil && p.err == nil {
			next = f.begin(pair[i])
		}
		if err == nil {
			err = f.keep(p.bytes)
		}
		if err != nil {
			if p.err == nil {
				<-next.ended // the source is the caller's again
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

// coming is a piece that is being read.
type coming struct {
	buf   []byte
	came  atomic.Int64 // bytes that are in buf
	ended chan piece
}

func (f *filling) begin(buf []byte) *coming {
	c := &coming{buf: buf, ended: make(chan piece, 1)}
	go func() {
		n, err := f.read(buf, &c.came)
		c.ended <- piece{buf[:n], err}
	}()
	return c
}

// await is the rest of a piece, once it has come. In a hurry, what is there already
// is kept now and then, by the usual way: a piece that has begun so fills no blocks.
func (f *filling) await(c *coming) (piece, error) {
	if f.hurry == 0 {
		return <-c.ended, nil
	}
	early := 0
	tick := time.NewTicker(f.hurry)
	defer tick.Stop()
	for {
		select {
		case p := <-c.ended:
			p.bytes = p.bytes[early:]
			return p, nil
		case <-tick.C:
		}
		came := int(c.came.Load())
		if came == early {
			continue
		}
		if f.direct != nil {
			f.direct.Close()
			f.direct = nil
		}
		if err := f.keep(c.buf[early:came]); err != nil {
			return piece{}, err
		}
		early = came
	}
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
