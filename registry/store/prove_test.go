package store

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// What is read and found bad is in quarantine at once, and healed by whoever brings it.
func TestProve(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("layer", 1000)
	d := digest.FromString(text)
	for name, damage := range map[string]func(*kit) error{
		"flipped":   func(k *kit) error { k.flip(d); return nil },
		"truncated": func(k *kit) error { return os.Truncate(k.blobPath(d), 7) },
		"missing":   func(k *kit) error { return os.Remove(k.blobPath(d)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, Options{})
			k.blob("a", text)
			if err := k.Prove(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			k.must(damage(k))
			for range 2 {
				if err := k.Prove(t.Context(), d); !errors.Is(err, registry.ErrDigest) && !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("%v", err)
				}
				list, err := k.Damaged(t.Context())
				if err != nil || len(list) != 1 || list[0].Digest != d {
					t.Errorf("quarantine: %+v, %v", list, err)
				}
			}
			if missing, err := k.Missing(t.Context(), "a", []registry.Descriptor{layerOf(text)}); err != nil || len(missing) != 1 {
				t.Errorf("missing: %v, %v", missing, err)
			}
			k.blob("a", text)
			if err := k.Prove(t.Context(), d); err != nil {
				t.Errorf("brought again: %v", err)
			}
		})
	}
	k := newKit(t, Options{})
	if err := k.Prove(t.Context(), d); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a blob that nobody has: %v", err)
	}
}
