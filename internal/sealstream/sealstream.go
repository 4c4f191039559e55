// Package sealstream encrypts a stream with a key, so that what is read back is what was
// written, in full and in order, or an error. It is for files that are too large to be
// sealed in memory.
//
// A sealed stream:
//
//	a line    that says what it is, chosen by who writes it, at most 64 bytes
//	8 bytes   the start of the SHA-256 of the key, to tell keys apart
//	32 bytes  a random salt
//	chunks    AES-256-GCM of 65536 bytes each, with its tag of 16 bytes; the last one has
//	          65536 bytes at most, and is empty only when the stream is
//
// The key of the chunks is HKDF-SHA-256 of the key, with the salt and the line as info. A
// chunk's nonce is its number, 11 bytes, and 1 for the last one, else 0; the line, the
// key's start and the salt are authenticated with each.
package sealstream

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// KeySize is that of a key, in bytes.
const KeySize = 32

const (
	chunkSize = 64 << 10
	idSize    = 8
	saltSize  = 32
	maxLine   = 64
	nonceSize = 12
)

// What is wrong with a stream. Who reads files makes errors of its own of these.
var (
	ErrForm = errors.New("it is no such file")
	ErrKey  = errors.New("it was encrypted with another key")
	ErrCut  = errors.New("it is cut off, or was changed since it was written")
)

// keyID tells keys apart.
func keyID(key []byte) []byte {
	sum := sha256.Sum256(key)
	return sum[:idSize]
}

func chunks(key, salt []byte, line string) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a key has %d bytes, this one %d", KeySize, len(key))
	}
	derived, err := hkdf.Key(sha256.New, key, salt, line, KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce is that of a chunk.
func nonce(number uint64, last bool) []byte {
	n := make([]byte, nonceSize)
	binary.BigEndian.PutUint64(n[3:11], number)
	if last {
		n[nonceSize-1] = 1
	}
	return n
}

// Writer encrypts.
type Writer struct {
	to     io.Writer
	gcm    cipher.AEAD
	head   []byte
	buffer []byte
	number uint64
	err    error
}

// NewWriter begins a stream that is called by a line. Close ends it: without that, it
// cannot be read.
func NewWriter(to io.Writer, key []byte, line string) (*Writer, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	gcm, err := chunks(key, salt, line)
	if err != nil {
		return nil, err
	}
	head := slices.Concat([]byte(line+"\n"), keyID(key), salt)
	if _, err := to.Write(head); err != nil {
		return nil, err
	}
	return &Writer{to: to, gcm: gcm, head: head, buffer: make([]byte, 0, chunkSize)}, nil
}

// Write implements io.Writer. A full chunk is kept until it is known not to be the last.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if len(w.buffer) == chunkSize {
			w.flush(false)
		}
		take := min(len(p), chunkSize-len(w.buffer))
		w.buffer = append(w.buffer, p[:take]...)
		n, p = n+take, p[take:]
	}
	return n, w.err
}

func (w *Writer) flush(last bool) {
	if w.err == nil {
		_, w.err = w.to.Write(w.gcm.Seal(nil, nonce(w.number, last), w.buffer, w.head))
	}
	w.number++
	w.buffer = w.buffer[:0]
}

// Close writes the last chunk. It does not close what is written to.
func (w *Writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	err := w.err
	w.err = errors.New("the stream has ended")
	return err
}

// Reader decrypts.
type Reader struct {
	from   *bufio.Reader
	gcm    cipher.AEAD
	head   []byte
	left   []byte
	number uint64
	err    error
}

// NewReader begins to read a stream that is called by a line: ErrForm when it is not,
// ErrKey when it was written with another key. The end comes only when all was right;
// else it is ErrCut.
func NewReader(from io.Reader, key []byte, line string) (*Reader, error) {
	b := bufio.NewReaderSize(from, chunkSize+nonceSize+aes.BlockSize)
	head := make([]byte, len(line)+1+idSize+saltSize)
	if _, err := io.ReadFull(b, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrForm
		}
		return nil, err
	}
	switch {
	case len(line) > maxLine || string(head[:len(line)+1]) != line+"\n":
		return nil, ErrForm
	case string(head[len(line)+1:len(line)+1+idSize]) != string(keyID(key)):
		return nil, ErrKey
	}
	gcm, err := chunks(key, head[len(line)+1+idSize:], line)
	return &Reader{from: b, gcm: gcm, head: head}, err
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.left) == 0 && r.err == nil {
		r.next()
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	if n == 0 && len(p) > 0 {
		return 0, r.err
	}
	return n, nil
}

// next reads a chunk: the last one is that after which nothing comes.
func (r *Reader) next() {
	sealed := make([]byte, chunkSize+r.gcm.Overhead())
	n, err := io.ReadFull(r.from, sealed)
	last := errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.Is(err, io.EOF):
		r.err = ErrCut
		return
	case err != nil && !last:
		r.err = err
		return
	case err == nil:
		_, err = r.from.Peek(1)
		last = errors.Is(err, io.EOF)
	}
	content, err := r.gcm.Open(sealed[:0], nonce(r.number, last), sealed[:n], r.head)
	if err != nil {
		r.err = ErrCut
		return
	}
	r.number++
	if r.left = content; last {
		r.err = io.EOF
	}
}
