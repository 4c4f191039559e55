package receipt_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle/receipt"
	"github.com/landfall-dev/landfall/registry/trust"
)

func generate(t testing.TB) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(trust.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func write(t testing.TB, r *receipt.Receipt, k *trust.PrivateKey) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, k); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	encoder, _ = zstd.NewWriter(nil)
	decoder, _ = zstd.NewReader(nil)
)

// inside and outside are the file without its compression, and again with it.
func inside(t testing.TB, content []byte) []byte {
	t.Helper()
	plain, err := decoder.DecodeAll(content, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

func outside(plain []byte) []byte { return encoder.EncodeAll(plain, nil) }

// A receipt says what was written, in few bytes, and who has signed it.
func TestReceipt(t *testing.T) {
	t.Parallel()
	k := generate(t)
	r := &receipt.Receipt{Created: time.Unix(1_800_000_000, 0).UTC(), Channels: map[string]int64{"stable": 7, "a/b": 1}, Definitions: []string{"edge-1"}}
	const many = 20_000
	for i := range many {
		r.Blobs = append(r.Blobs, digest.FromString(strconv.Itoa(i)))
	}
	r.Blobs = append(r.Blobs, r.Blobs[0], digest.SHA512.FromString("x"))
	r.Manifests = []digest.Digest{digest.FromString("m"), digest.SHA512.FromString("m")}
	content := write(t, r, k)
	if per := float64(len(content)) / many; per > 40 {
		t.Errorf("%.1f bytes a blob", per)
	}
	got, err := receipt.Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if got.Site != k.ID() || got.Key().ID() != k.ID() || len(got.Blobs) != many+1 {
		t.Errorf("site %s, %d blobs", got.Site, len(got.Blobs))
	}
	if diff := cmp.Diff(r, got, cmpopts.IgnoreUnexported(receipt.Receipt{}), cmpopts.IgnoreFields(receipt.Receipt{}, "Blobs", "Site", "Manifests")); diff != "" {
		t.Error(diff)
	}
	has := got.Have()
	for _, d := range append(r.Blobs, r.Manifests...) {
		if !has(d) {
			t.Fatalf("%s is missing", d)
		}
	}
	if has(digest.FromString("no")) {
		t.Error("it has everything")
	}
}

// Nothing of a receipt can be changed.
func TestChangedReceipt(t *testing.T) {
	t.Parallel()
	k := generate(t)
	r := &receipt.Receipt{Created: time.Unix(0, 0), Blobs: []digest.Digest{digest.FromString("a"), digest.FromString("b")}}
	plain := inside(t, write(t, r, k))
	for at := range plain {
		changed := bytes.Clone(plain)
		changed[at] ^= 1
		if _, err := receipt.Read(bytes.NewReader(outside(changed))); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("byte %d was changed: %v", at, err)
		}
	}
	for cut := range plain {
		if _, err := receipt.Read(bytes.NewReader(outside(plain[:cut]))); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	foreign := bytes.Replace(plain, []byte(k.ID()), []byte(generate(t).ID()), 1)
	if _, err := receipt.Read(bytes.NewReader(outside(foreign))); !errors.Is(err, receipt.ErrFormat) {
		t.Errorf("another site's id: %v", err)
	}
	// What one byte of gzip or a bomb of zeros makes.
	for _, content := range [][]byte{nil, {0x1f, 0x8b}, outside(make([]byte, 200<<20))} {
		if _, err := receipt.Read(bytes.NewReader(content)); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("%d bytes: %v", len(content), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	sum := sha256.Sum256([]byte("seed"))
	r := &receipt.Receipt{Created: time.Unix(0, 0), Channels: map[string]int64{"a": 1}, Blobs: []digest.Digest{digest.NewDigestFromBytes(digest.SHA256, sum[:])}}
	good := write(f, r, generate(f))
	f.Add(good)
	f.Add(inside(f, good))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, c := range [][]byte{content, outside(content)} {
			if r, err := receipt.Read(bytes.NewReader(c)); err == nil && r.Key().ID() != r.Site {
				t.Fatalf("site %s, key %s", r.Site, r.Key().ID())
			} else if err != nil && !errors.Is(err, receipt.ErrFormat) {
				t.Fatal(err)
			}
		}
	})
}
