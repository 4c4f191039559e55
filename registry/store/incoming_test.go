package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

var errCut = errors.New("the link broke")

// origin is where a blob comes from; it counts what was taken.
type origin struct {
	content []byte
	cut     int // give so many bytes a call, then errCut; 0: all
	mu      sync.Mutex
	offsets []int64
	taken   int
}

func newOrigin(size int) (*origin, registry.Descriptor) {
	content := make([]byte, size)
	seed := rand.NewChaCha8([32]byte{7})
	_, _ = seed.Read(content)
	return &origin{content: content}, registry.Descriptor{Digest: digest.FromBytes(content), Size: int64(size)}
}

func (o *origin) from(offset int64) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.offsets = append(o.offsets, offset)
	rest := io.Reader(bytes.NewReader(o.content[offset:]))
	if o.cut > 0 {
		rest = io.MultiReader(io.LimitReader(rest, int64(o.cut)), failing{})
	}
	return io.NopCloser(&counter{rest, o}), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

type counter struct {
	r io.Reader
	o *origin
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.o.mu.Lock()
	c.o.taken += n
	c.o.mu.Unlock()
	return n, err
}

// crashed copies the data folder as a crash would leave it.
func (k *kit) crashed() string {
	k.t.Helper()
	to := filepath.Join(k.t.TempDir(), "crashed")
	k.must(os.CopyFS(to, os.DirFS(string(k.folder))))
	return to
}

// leftovers are the files of sessions.
func (k *kit) leftovers() []os.DirEntry {
	k.t.Helper()
	list, err := os.ReadDir(k.path(uploadsDir))
	k.must(err)
	return list
}

func (k *kit) wantBlob(repository string, d registry.Descriptor, content []byte) {
	k.t.Helper()
	r, err := k.Blob(k.t.Context(), repository, d)
	k.must(err)
	defer r.Close()
	got, err := io.ReadAll(r)
	if k.must(err); !bytes.Equal(got, content) {
		k.t.Error("other bytes")
	}
}

// What came before a transfer broke off is not taken again: not in the same
// process, not in the next one, and not after one that was killed.
func TestResumesBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, d := newOrigin(5 << 20)
	o.cut = 2<<20 + 17
	k := openKit(t, dir, Options{})
	if err := k.ResumeBlob(t.Context(), "a/b", d, o.from); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	killed := openKit(t, k.crashed(), Options{})
	if err := killed.ResumeBlob(t.Context(), "other/name", d, o.from); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	k.must(killed.Close())
	again := openKit(t, string(killed.folder), Options{})
	again.must(again.ResumeBlob(t.Context(), "other/name", d, o.from))
	again.wantBlob("other/name", d, o.content)
	if o.taken != len(o.content) || len(o.offsets) != 3 {
		t.Errorf("%d bytes of %d were taken, at %v", o.taken, len(o.content), o.offsets)
	}
	if list := again.leftovers(); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// What was kept is proven with the rest; when it is wrong, all comes again.
func TestResumesNothingWrong(t *testing.T) {
	t.Parallel()
	o, d := newOrigin(3 << 20)
	o.cut = 2 << 20
	k := newKit(t, Options{})
	if err := k.ResumeBlob(t.Context(), "a/b", d, o.from); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	dir := k.crashed()
	list, err := os.ReadDir(filepath.Join(dir, uploadsDir))
	if k.must(err); len(list) != 1 {
		t.Fatal(list)
	}
	f, err := os.OpenFile(filepath.Join(dir, uploadsDir, list[0].Name()), os.O_WRONLY, 0)
	k.must(err)
	_, err = f.WriteAt([]byte("what a disk may do"), 1<<20)
	k.must(errors.Join(err, f.Close()))
	again := openKit(t, dir, Options{})
	o.cut = 0
	again.must(again.ResumeBlob(t.Context(), "a/b", d, o.from))
	again.wantBlob("a/b", d, o.content)
	if want := []int64{0, 2 << 20, 0}; !slices.Equal(o.offsets, want) {
		t.Errorf("taken at %v, want %v", o.offsets, want)
	}
	other := registry.Descriptor{Digest: digest.FromString("something else"), Size: d.Size}
	if err := again.ResumeBlob(t.Context(), "a/b", other, o.from); !errors.Is(err, registry.ErrDigest) {
		t.Error(err)
	}
	short := registry.Descriptor{Digest: other.Digest, Size: d.Size + 1}
	if err := again.ResumeBlob(t.Context(), "a/b", short, o.from); !errors.Is(err, registry.ErrSize) {
		t.Error(err)
	}
	if list := again.leftovers(); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// A blob that many want at once comes once.
func TestResumesOnceForAll(t *testing.T) {
	t.Parallel()
	o, d := newOrigin(4 << 20)
	k := newKit(t, Options{})
	var all sync.WaitGroup
	for _, repository := range []string{"a/b", "a/c", "a/d", "a/b"} {
		all.Go(func() {
			if err := k.ResumeBlob(t.Context(), repository, d, o.from); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, repository := range []string{"a/b", "a/c", "a/d"} {
		k.wantBlob(repository, d, o.content)
	}
	if o.taken != len(o.content) {
		t.Errorf("%d bytes were taken", o.taken)
	}
}

// gate gives bytes out as they are let through.
type gate struct {
	content []byte
	open    chan int
}

func (g *gate) Read(p []byte) (int, error) {
	n, ok := <-g.open
	if !ok {
		return 0, errCut
	}
	copy(p, g.content[:n])
	g.content = g.content[n:]
	return n, nil
}

// Who reads along gets what is there, the end only when all is proven, and the
// error when it does not come.
func TestFollowsIncoming(t *testing.T) {
	t.Parallel()
	o, d := newOrigin(2 << 20)
	k := newKit(t, Options{})
	in, first, err := k.Expect(t.Context(), "a/b", d)
	if k.must(err); !first {
		t.Fatal("somebody else was first")
	}
	g := &gate{o.content, make(chan int)}
	ended := make(chan error)
	go func() {
		ended <- in.Fill(t.Context(), func(int64) (io.ReadCloser, error) { return io.NopCloser(g), nil })
	}()
	if _, first, err := k.Expect(t.Context(), "a/c", d); first || err != nil {
		t.Fatal(first, err)
	}
	r, err := in.Open(t.Context(), 100)
	k.must(err)
	defer r.Close()
	let := func(n int) {
		for ; n > 0; n -= 64 << 10 {
			g.open <- 64 << 10
		}
	}
	let(2<<20 - 64<<10)
	got := make([]byte, 300<<10)
	_, err = io.ReadFull(r, got) // comes before the rest was let through
	if k.must(err); !bytes.Equal(got, o.content[100:100+len(got)]) {
		t.Error("other bytes")
	}
	let(64 << 10)
	close(g.open)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if k.must(err); !bytes.Equal(rest, o.content[100+len(got):]) {
		t.Error("other bytes at the end")
	}
	k.wantBlob("a/b", d, o.content)
}

func TestFollowerLearnsOfTheEnd(t *testing.T) {
	t.Parallel()
	o, d := newOrigin(2 << 20)
	o.content[len(o.content)-1] ^= 1
	k := newKit(t, Options{})
	in, _, err := k.Expect(t.Context(), "a/b", d)
	k.must(err)
	r, err := in.Open(t.Context(), 0)
	k.must(err)
	defer r.Close()
	go func() { _ = in.Fill(t.Context(), o.from) }()
	n, err := io.Copy(io.Discard, r)
	if !errors.Is(err, registry.ErrDigest) || n > d.Size-withheld {
		t.Errorf("%d bytes, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.ResumeBlob(ctx, "a/b", d, o.from); err == nil {
		t.Error("it came although nobody waits")
	}
}
