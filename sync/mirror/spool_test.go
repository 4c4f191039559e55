package mirror

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/memory"
)

var errCut = errors.New("the link broke")

// What passed before a transfer broke off is not had again, and proven.
func TestSpool(t *testing.T) {
	t.Parallel()
	content := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(content)
	d := registry.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	var offsets []int64
	taken, cut := 0, 2<<20
	from := func(offset int64) (io.ReadCloser, error) {
		offsets = append(offsets, offset)
		rest := content[offset:]
		if cut > 0 && len(rest) > cut {
			taken += cut
			return io.NopCloser(io.MultiReader(bytes.NewReader(rest[:cut]), &broken{})), nil
		}
		taken += len(rest)
		return io.NopCloser(bytes.NewReader(rest)), nil
	}
	dst, folder := &memory.Registry{}, t.TempDir()
	if err := newSpool(dst, folder).ResumeBlob(t.Context(), "h.io/a", d, from); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	if err := newSpool(dst, folder).ResumeBlob(t.Context(), "h.io/a", d, from); err != nil {
		t.Fatal(err)
	}
	if taken != len(content) || len(offsets) != 2 || offsets[1] != int64(cut) {
		t.Errorf("%d bytes were taken, at %v", taken, offsets)
	}
	got, err := registry.ReadBlob(t.Context(), dst, "h.io/a", d)
	if err != nil || !bytes.Equal(got, content) {
		t.Error(err)
	}
	empty(t, folder)

	// Damage in the file is found out, and all comes again.
	dst = &memory.Registry{}
	_ = newSpool(dst, folder).ResumeBlob(t.Context(), "h.io/a", d, from)
	list, err := os.ReadDir(folder)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	path := folder + "/" + list[0].Name()
	damaged, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged[5] ^= 1
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	cut = 0
	if err := newSpool(dst, folder).ResumeBlob(t.Context(), "h.io/a", d, from); err != nil {
		t.Fatal(err)
	}
	empty(t, folder)
	other := registry.Descriptor{Digest: digest.FromString("other"), Size: d.Size}
	if err := newSpool(dst, folder).ResumeBlob(t.Context(), "h.io/a", other, from); !errors.Is(err, registry.ErrDigest) {
		t.Error(err)
	}
	empty(t, folder)
}

func empty(t *testing.T, folder string) {
	t.Helper()
	if list, err := os.ReadDir(folder); err != nil || len(list) > 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errCut }
