package sealstream_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/landfall-dev/landfall/internal/sealstream"
)

const line = "test-stream-1"

func key(b byte) []byte { return bytes.Repeat([]byte{b}, sealstream.KeySize) }

func seal(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := sealstream.NewWriter(&b, key(1), line)
	if err != nil {
		t.Fatal(err)
	}
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 1+rand.IntN(100_000))
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(sealed []byte, with []byte) ([]byte, error) {
	r, err := sealstream.NewReader(bytes.NewReader(sealed), with, line)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// What was written is read, whatever its size; cut off at any place, longer, or changed in
// any byte, it is an error.
func TestStream(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 65535, 65536, 65537, 131072, 300_000} {
		content := noise(size)
		sealed := seal(t, content)
		got, err := open(sealed, key(1))
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes: %d came, %v", size, len(got), err)
		}
		if size > 32 && bytes.Contains(sealed, content[:32]) {
			t.Errorf("%d bytes are in the open", size)
		}
		for _, at := range []int{0, 5, len(line) + 3, len(line) + 20, len(sealed) / 2, len(sealed) - 1} {
			if _, err := open(sealed[:at], key(1)); err == nil {
				t.Errorf("%d bytes, cut off at %d of %d, were taken", size, at, len(sealed))
			}
			changed := bytes.Clone(sealed)
			changed[at] ^= 1
			if _, err := open(changed, key(1)); err == nil {
				t.Errorf("%d bytes, changed at %d of %d, were taken", size, at, len(sealed))
			}
		}
		if _, err := open(append(bytes.Clone(sealed), 0), key(1)); !errors.Is(err, sealstream.ErrCut) {
			t.Errorf("with a byte more: %v", err)
		}
	}
}

// A whole chunk less at the end is noticed, and another key and another file are told
// apart from what is broken.
func TestRefused(t *testing.T) {
	t.Parallel()
	sealed := seal(t, noise(200_000))
	const head, chunk = len(line) + 1 + 8 + 32, 65536 + 16
	if _, err := open(sealed[:head+2*chunk], key(1)); !errors.Is(err, sealstream.ErrCut) {
		t.Errorf("without its last chunk: %v", err)
	}
	swapped := bytes.Clone(sealed)
	copy(swapped[head:], sealed[head+chunk:head+2*chunk])
	copy(swapped[head+chunk:], sealed[head:head+chunk])
	if _, err := open(swapped, key(1)); !errors.Is(err, sealstream.ErrCut) {
		t.Errorf("in another order: %v", err)
	}
	if _, err := open(sealed, key(2)); !errors.Is(err, sealstream.ErrKey) {
		t.Errorf("with another key: %v", err)
	}
	if _, err := open([]byte("something else"), key(1)); !errors.Is(err, sealstream.ErrForm) {
		t.Errorf("another file: %v", err)
	}
}
