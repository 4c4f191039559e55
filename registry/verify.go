package registry

import (
	"fmt"
	"hash"
	"io"
	"os"
)

// VerifyReader passes bytes on and fails before io.EOF when they are not
// exactly those of its descriptor: no caller can forget the check. It never
// yields a byte past the stated size.
type VerifyReader struct {
	source io.Reader
	want   Descriptor
	hash   hash.Hash
	left   int64
}

// NewVerifyReader wraps r, which should hold the content of d.
func NewVerifyReader(r io.Reader, d Descriptor) *VerifyReader {
	return &VerifyReader{source: r, want: d, hash: d.Digest.Algorithm().Hash(), left: d.Size}
}

func (v *VerifyReader) Read(p []byte) (int, error) {
	if v.left == 0 {
		return 0, v.end()
	}
	if int64(len(p)) > v.left {
		p = p[:v.left]
	}
	n, err := v.source.Read(p)
	v.note(p[:n])
	if err == io.EOF && v.left > 0 {
		return n, v.short()
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func (v *VerifyReader) note(p []byte) {
	v.hash.Write(p)
	v.left -= int64(len(p))
}

func (v *VerifyReader) short() error {
	return fmt.Errorf("%s: %w: %d bytes short of %d", v.want.Digest, ErrSize, v.left, v.want.Size)
}

// Prove proves the content of d while move takes it from one reader and shows
// it to a writer, in whatever pieces. It is VerifyReader for who reads, hashes
// and writes at the same time.
func Prove(r io.Reader, d Descriptor, move func(from io.Reader, proof io.Writer) error) error {
	v := NewVerifyReader(r, d)
	if err := move(io.LimitReader(r, d.Size), (*prover)(v)); err != nil {
		return err
	}
	if v.left > 0 {
		return v.short()
	}
	if err := v.end(); err != io.EOF {
		return err
	}
	return nil
}

// prover is the writer's side of a VerifyReader.
type prover VerifyReader

func (p *prover) Write(b []byte) (int, error) {
	(*VerifyReader)(p).note(b)
	return len(b), nil
}

// end compares the digest and makes sure that the source ends here too.
func (v *VerifyReader) end() error {
	var extra [1]byte
	switch n, err := io.ReadFull(v.source, extra[:]); {
	case n > 0:
		return fmt.Errorf("%s: %w: more than the stated %d bytes", v.want.Digest, ErrSize, v.want.Size)
	case err != io.EOF:
		return err
	}
	if got := fmt.Sprintf("%x", v.hash.Sum(nil)); got != v.want.Digest.Encoded() {
		return fmt.Errorf("%s: %w: the bytes hash to %s", v.want.Digest, ErrDigest, got)
	}
	return io.EOF
}

// Unverified gives the source back to a writer that proves d itself, so that
// bytes are hashed once on their way. Readers that verify something else are
// returned as they are.
func Unverified(r io.Reader, d Descriptor) io.Reader {
	if v, ok := r.(interface{ Unverified(Descriptor) io.Reader }); ok {
		return v.Unverified(d)
	}
	return r
}

// Unverified is the wrapped source when nothing was read yet and d is what
// this reader would prove.
func (v *VerifyReader) Unverified(d Descriptor) io.Reader {
	if v.left != v.want.Size || d.Digest != v.want.Digest || d.Size != v.want.Size {
		return v
	}
	return v.source
}

// Cloner is a reader whose content can become a file's without being read.
type Cloner interface {
	// CloneTo does so to an empty file, and reports whether it did. The content is
	// not proven by that.
	CloneTo(f *os.File) (bool, error)
	// Proven reports whether the content was proven before and has not changed
	// since, as far as its file's times tell.
	Proven() bool
}

// VerifyReadCloser is a VerifyReader that closes what it reads from.
func VerifyReadCloser(r io.ReadCloser, d Descriptor) io.ReadCloser {
	return struct {
		*VerifyReader
		io.Closer
	}{NewVerifyReader(r, d), r}
}
