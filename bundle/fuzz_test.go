package bundle

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/trust"
)

const smallest = `{"blobs":[],"created":"2027-01-15T08:00:00Z","format":1,"id":"e3b0c44298fc1c149afbf4c8996fb924","manifests":[],"names":[]}`

// What the header parser accepts is canonical, and its layout is a fixed point.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(`{"format":3}`))
	f.Add([]byte(`{"blobs":[],"channel":"stable","created":"2027-01-15T08:00:00Z","expires":"2027-02-15T08:00:00Z","format":2,"id":"e3b0c44298fc1c149afbf4c8996fb924","manifests":[],"names":[],"platforms":["linux/amd64"]}`))
	f.Add([]byte(`{"blobs":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","offset":1,"size":-1}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := parseHeader(content)
		if err != nil {
			return
		}
		again, err := canonical(h)
		if err != nil || !bytes.Equal(again, content) {
			t.Fatalf("accepted and not canonical: %q", content)
		}
		l, err := newLayout(h)
		if err != nil {
			return
		}
		for _, e := range l.entries {
			if e.offset%alignment != 0 || e.frame%block != 0 {
				t.Fatalf("%s at %d, frame at %d", e.digest, e.offset, e.frame)
			}
		}
	})
}

// The reader survives any file.
func FuzzReader(f *testing.F) {
	h, err := parseHeader([]byte(smallest))
	if err != nil {
		f.Fatal(err)
	}
	l, err := newLayout(h)
	if err != nil {
		f.Fatal(err)
	}
	empty := append(bytes.Clone(l.preamble), make([]byte, trailer)...)
	f.Add(empty)
	f.Add(empty[:len(empty)-1])
	f.Add(signedSeed(f))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := NewReader("fuzz", bytes.NewReader(content), int64(len(content)))
		if err == nil {
			_ = r.Verify(t.Context(), nil)
		}
	})
}

// signedSeed is the smallest bundle with terms and a signature.
func signedSeed(f *testing.F) []byte {
	k, err := trust.Generate(trust.ECDSA)
	if err != nil {
		f.Fatal(err)
	}
	h, err := parseHeader([]byte(strings.Replace(smallest, `"format":1`, `"format":2`, 1)))
	if err != nil {
		f.Fatal(err)
	}
	w := &Writer{keys: []*trust.PrivateKey{k}}
	if err := w.layFor(h); err != nil {
		f.Fatal(err)
	}
	file := slices.Concat(w.preamble, w.tail, make([]byte, trailer))
	if _, err := NewReader("seed", bytes.NewReader(file), int64(len(file))); err != nil {
		f.Fatal(err)
	}
	return file
}

// A list is references or an error, never a panic, never empty.
func FuzzList(f *testing.F) {
	f.Add([]byte("nginx\n# comment\nquay.io/a/b:1@sha256:00\n"))
	f.Add([]byte("images:\n- nginx:1.27\n- quay.io/a/b\n"))
	f.Add([]byte("---\nimages: [nginx]\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		refs, err := ParseList("fuzz", content)
		if err == nil && len(refs) == 0 {
			t.Fatal("an empty list was accepted")
		}
	})
}

// Laying out ends for every content: with more blobs or longer names nothing
// moves forward.
func TestLayoutEnds(t *testing.T) {
	t.Parallel()
	for blobs := range 60 {
		for length := 1; length < 600; length += 3 {
			h := &Header{Format: FormatPlain, Blobs: []Blob{}, Manifests: []Manifest{}, Names: []Name{{Name: strings.Repeat("n", length)}}}
			for i := range blobs {
				h.Blobs = append(h.Blobs, Blob{Digest: digest.FromString(strconv.Itoa(i)), Size: int64(i * i * 37)})
			}
			if _, err := newLayout(h); err != nil { // it would hang, not fail
				t.Fatal(err)
			}
		}
	}
}

func TestAlignment(t *testing.T) {
	t.Parallel()
	for pos := int64(0); pos < 3*alignment; pos += block {
		for _, d := range []struct {
			digest string
			size   int64
		}{
			{"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0},
			{"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 9 << 30},
			{"sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e", 9 << 30},
		} {
			f := frameOf(digest.Digest(d.digest), d.size, pos)
			if n := int64(len(f.bytes(d.size))); (pos+n)%alignment != 0 || n > 2*alignment || n != f.length() {
				t.Errorf("at %d: a frame of %d bytes for %v", pos, n, d)
			}
		}
	}
}
