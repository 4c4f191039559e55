package durable_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/landfall-dev/landfall/internal/durable"
)

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func create(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// content is all of a file, read anew.
func content(t *testing.T, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sizes are around the limits of small and large pieces and of blocks.
var sizes = []int{0, 1, 4095, 4096, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 1<<20 + 256<<10, 1<<20 + 256<<10 + 1, 5<<20 + 17}

// What is filled in is in the file, hashed, and counted, wherever it starts and
// however it comes.
func TestFill(t *testing.T) {
	t.Parallel()
	for _, start := range []int{0, 1, 4096, 10_000} {
		for _, size := range sizes {
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "end with bytes": iotest.DataErrReader,
			} {
				t.Run(fmt.Sprint(start, " ", size, " ", name), func(t *testing.T) {
					t.Parallel()
					f, want := create(t), noise(start+size)
					if _, err := f.Write(want[:start]); err != nil {
						t.Fatal(err)
					}
					w, hash, counted := durable.NewWriter(f, int64(start)), sha256.New(), 0
					err := w.Fill(t.Context(), wrap(bytes.NewReader(want[start:])), hash, func(n int) error { counted += n; return nil })
					if err != nil || counted != size || w.Offset() != int64(start+size) {
						t.Fatalf("%v, %d counted, at %d", err, counted, w.Offset())
					}
					if !bytes.Equal(content(t, f), want) {
						t.Error("the file holds something else")
					}
					if sum := sha256.Sum256(want[start:]); !bytes.Equal(hash.Sum(nil), sum[:]) {
						t.Error("the hash has seen something else")
					}
				})
			}
		}
	}
}

// What came before the source failed is in the file, hashed and counted.
func TestFillFromBrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, size := range sizes {
		f, want := create(t), noise(size)
		hash, counted := sha256.New(), 0
		source := io.MultiReader(bytes.NewReader(want), iotest.ErrReader(broken))
		err := durable.NewWriter(f, 0).Fill(t.Context(), source, hash, func(n int) error { counted += n; return nil })
		sum := sha256.Sum256(want)
		if !errors.Is(err, broken) || counted != size || !bytes.Equal(content(t, f), want) || !bytes.Equal(hash.Sum(nil), sum[:]) {
			t.Errorf("%d bytes: %v, %d counted", size, err, counted)
		}
	}
}

// A fill ends with the first error of the disk or of who counts, or when it is
// no longer wanted; then nobody reads the source any more.
func TestFillEnds(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	closed := create(t)
	closed.Close()
	given, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	for name, c := range map[string]struct {
		ctx  context.Context
		file *os.File
		done func(int) error
		want error
	}{
		"disk": {t.Context(), closed, nil, os.ErrClosed},
		"count": {t.Context(), create(t), func() func(int) error {
			left := 3 << 20
			return func(n int) error { left -= n; return map[bool]error{true: stop}[left < 0] }
		}(), stop},
		"cancel": {given, create(t), nil, stop},
	} {
		source := &endless{}
		if err := durable.NewWriter(c.file, 0).Fill(c.ctx, source, nil, c.done); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		source.ended = true
	}
}

// endless is read by one goroutine at a time; the race detector would tell.
type endless struct {
	read  int
	ended bool
}

func (e *endless) Read(p []byte) (int, error) {
	if e.ended {
		panic("read after the end")
	}
	e.read += len(p)
	return len(p), nil
}

// More fills at once than there are large buffers.
func TestManyFills(t *testing.T) {
	t.Parallel()
	want := noise(3<<20 + 5)
	var all sync.WaitGroup
	for range 40 {
		f := create(t)
		all.Go(func() {
			if err := durable.NewWriter(f, 0).Fill(t.Context(), bytes.NewReader(want), nil, nil); err != nil {
				t.Error(err)
			}
		})
		defer func() {
			if !bytes.Equal(content(t, f), want) {
				t.Error("the file holds something else")
			}
		}()
	}
	all.Wait()
}

// A source reads the same bytes as its file, wherever and into whatever.
func TestSource(t *testing.T) {
	t.Parallel()
	f, want := create(t), noise(3<<20+100)
	if _, err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	s := durable.NewSource(f)
	defer s.Close()
	for _, c := range []struct{ offset, length int }{{0, 1 << 20}, {4096, 8192}, {4097, 8192}, {0, 100}, {2 << 20, 1<<20 + 100}, {3 << 20, 100}, {1 << 20, 4196}} {
		got := make([]byte, c.length)
		if n, err := s.ReadAt(got, int64(c.offset)); err != nil || !bytes.Equal(got[:n], want[c.offset:c.offset+c.length]) {
			t.Errorf("%+v: %d, %v", c, n, err)
		}
	}
	for _, offset := range []int64{3 << 20, 3<<20 + 1, 4 << 20} {
		if n, err := s.ReadAt(make([]byte, 1<<20), offset); err != io.EOF || n != max(0, len(want)-int(offset)) {
			t.Errorf("at %d: %d, %v; want the end", offset, n, err)
		}
	}
	to := create(t) // through the aligned buffers of Fill
	if err := durable.NewWriter(to, 0).Fill(t.Context(), io.NewSectionReader(s, 4096, 2<<20+77), nil, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, to), want[4096:4096+2<<20+77]) {
		t.Error("something else came through")
	}
}
