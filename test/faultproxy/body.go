package faultproxy

import (
	"context"
	"errors"
	"io"
)

// errCut ends a body before its end.
var errCut = errors.New("cut by a rule")

// stopped lets left bytes through; what comes after them it stops, and a body
// without more it does not.
type stopped struct {
	from io.Reader
	left int64
	stop func() error
}

func (s *stopped) Read(b []byte) (int, error) {
	if s.left == 0 {
		if n, err := io.ReadFull(s.from, b[:1]); n == 0 {
			return 0, err
		}
		return 0, s.stop()
	}
	n, err := s.from.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	return n, err
}

// slow has a line of its own before the proxy's.
type slow struct {
	ctx  context.Context
	from io.Reader
	line link
}

func (s *slow) Read(b []byte) (int, error) {
	n, err := s.from.Read(b[:min(len(b), s.line.piece())])
	if late := s.line.take(s.ctx, n); late != nil {
		return 0, late
	}
	return n, err
}

// flipped changes the byte that comes after left others.
type flipped struct {
	from io.Reader
	left int64
}

func (f *flipped) Read(b []byte) (int, error) {
	n, err := f.from.Read(b)
	if 0 <= f.left && f.left < int64(n) {
		b[f.left] ^= 1
	}
	f.left -= int64(n)
	return n, err
}
