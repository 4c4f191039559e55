package store

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

func (k *kit) scrub() *Scrubbed {
	k.t.Helper()
	report, err := k.Scrub(k.t.Context(), ScrubOptions{Fresh: true})
	k.must(err)
	return report
}

// Every kind of damage is found, told with the names that it breaks, kept from
// readers, and healed by whoever brings the bytes.
func TestScrubFindsAndHeals(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("layer", 1000)
	damages := map[string]func(*kit, string) error{
		"flipped":   func(k *kit, _ string) error { k.flip(digest.FromString(text)); return nil },
		"truncated": func(_ *kit, path string) error { return os.Truncate(path, 7) },
		"missing":   func(_ *kit, path string) error { return os.Remove(path) },
		"a folder": func(_ *kit, path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o755))
		},
	}
	healings := map[string]func(*kit) error{
		"PutBlob": func(k *kit) error {
			return k.PutBlob(t.Context(), "a", layerOf(text), strings.NewReader(text))
		},
		"upload": func(k *kit) error {
			u, err := k.StartUpload(t.Context(), "b", digest.SHA256)
			if err == nil {
				_, err = u.Append(t.Context(), 0, strings.NewReader(text))
			}
			if err == nil {
				_, err = u.Commit(t.Context(), digest.FromString(text))
			}
			return err
		},
		"batch": func(k *kit) error {
			b, err := k.Batch(t.Context())
			if err != nil {
				return err
			}
			if ok, err := b.Exists(t.Context(), "a", layerOf(text)); ok || err != nil {
				t.Errorf("a damaged blob exists: %v", err)
			}
			return errors.Join(b.PutBlob(t.Context(), "a", layerOf(text), strings.NewReader(text)), b.Commit(t.Context()), b.Close())
		},
	}
	for what, damage := range damages {
		for who, heal := range healings {
			t.Run(what+" "+who, func(t *testing.T) {
				t.Parallel()
				k := newKit(t, Options{})
				image := k.image(ref("a", "v1"), nil, "config", text)
				k.index(ref("a", "v2"), nil, image)
				k.must(damage(k, k.blobPath(digest.FromString(text))))
				report := k.scrub()
				if len(report.Damaged) != 1 || report.Damaged[0].Digest != digest.FromString(text) || !slices.Equal(report.Damaged[0].Breaks, []string{"a:v1", "a:v2"}) {
					t.Fatalf("found %+v, want the layer, which breaks a:v1 and a:v2", report.Damaged)
				}
				if _, _, err := k.OpenBlob(t.Context(), "a", digest.FromString(text)); !errors.Is(err, registry.ErrNotFound) {
					t.Errorf("a damaged blob is served: %v", err)
				}
				k.must(heal(k))
				k.must(k.whole(t.Context(), ref("a", "v2")))
				if list, err := k.Damaged(t.Context()); err != nil || len(list) != 0 || k.damaged.Load() != 0 {
					t.Errorf("in quarantine after healing: %+v, %v", list, err)
				}
				if entries, err := os.ReadDir(k.path(quarantineDir)); err != nil || len(entries) != 0 {
					t.Errorf("the quarantine's folder holds %v, %v", entries, err)
				}
			})
		}
	}
}

// A manifest whose bytes in the database are damaged is found and told like a
// blob, and healed by a push.
func TestScrubFindsManifests(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	d := k.image(ref("a", "v1"), nil, "config")
	k.exec(`UPDATE manifests SET content = 'x' || substr(content, 2)`)
	var found []Damage
	report, err := k.Scrub(t.Context(), ScrubOptions{Found: func(d Damage) { found = append(found, d) }})
	k.must(err)
	if len(report.Damaged) != 1 || len(found) != 1 || found[0].Kind != "manifest" || !slices.Contains(found[0].Breaks, "a:v1") || k.scrubbing.get().Damaged != 1 {
		t.Fatalf("found %+v, told %+v; want the manifest, which breaks a:v1", report.Damaged, found)
	}
	if k.has("a", d) {
		t.Error("a damaged manifest is served")
	}
	if ok, err := k.Exists(t.Context(), "a", d); ok || err != nil {
		t.Errorf("a damaged manifest exists: %v", err)
	}
	k.image(ref("a", "v1"), nil, "config")
	k.must(k.whole(t.Context(), ref("a", "v1")))
	k.exec(`UPDATE manifests SET content = 'x' || substr(content, 2)`)
	k.scrub()
	k.must(k.Delete(t.Context(), ref("a", "v1")))
	k.collect(CollectOptions{Now: true})
	if n := k.damaged.Load(); n != 0 {
		t.Errorf("%d are damaged after the collection, want none", n)
	}
}

// A scrub that was ended goes on behind what it has read; a second one takes
// the first one's place.
func TestScrubGoesOn(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	for i := range 3 * scrubPage {
		k.blob("a", strings.Repeat("x", i))
		if i%5 == 0 {
			k.flip(k.blob("a", strings.Repeat("y", i+1)).Digest)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := k.Scrub(ctx, ScrubOptions{Found: func(Damage) {
		if k.scrubbing.get().Blobs > 2*scrubPage {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the ended scrub: %v", err)
	}
	type result struct {
		report *Scrubbed
		err    error
	}
	taken, begun := make(chan result, 1), false
	_, err = k.Scrub(t.Context(), ScrubOptions{Found: func(Damage) {
		if !begun {
			begun = true
			go func() {
				report, err := k.Scrub(context.Background(), ScrubOptions{})
				taken <- result{report, err}
			}()
		}
	}})
	if !begun {
		t.Fatal("nothing was left to be found")
	}
	if !errors.Is(err, registry.ErrConflict) && err != nil {
		t.Errorf("the first scrub: %v, want ErrConflict, or an end before it", err)
	}
	second := <-taken
	k.must(second.err)
	if r := second.report; r.Finished.IsZero() || int64(len(r.Damaged)) != k.damaged.Load() {
		t.Errorf("the second scrub: %+v", r)
	}
	if bad := k.number(`SELECT count(*) FROM damaged`); bad != (3*scrubPage+4)/5 {
		t.Errorf("%d damaged in the end, want every one that was flipped", bad)
	}
}
