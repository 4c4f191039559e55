package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Nothing below a pin can be deleted; the refusal says whose pin it is and why.
func TestPins(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	child := k.image(ref("a", ""), nil, "config", "layer")
	index := k.index(ref("a", "v1"), nil, child)
	_, err := k.Pin(t.Context(), ref("a", "v1"), "cluster/edge", "in use")
	k.must(err)
	for what, err := range map[string]error{
		"tag":   k.Delete(t.Context(), ref("a", "v1")),
		"index": k.Delete(t.Context(), at("a", index)),
		"child": k.Delete(t.Context(), at("a", child)),
		"layer": k.DeleteBlob(t.Context(), "a", digest.FromString("layer")),
	} {
		var pinned *PinnedError
		if !errors.As(err, &pinned) || pinned.Owner != "cluster/edge" || pinned.Reason != "in use" || !errors.Is(err, registry.ErrConflict) {
			t.Errorf("deleting the %s: %v, want a PinnedError", what, err)
		}
	}
	k.image(ref("a", "v1"), nil, "other") // the tag moves, the pin stays
	k.collect(CollectOptions{Now: true})
	k.must(k.whole(t.Context(), at("a", index)))
	if err := k.Unpin(t.Context(), ref("a", "v1"), "somebody"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("somebody else takes the pin away: %v", err)
	}
	k.must(k.Unpin(t.Context(), ref("a", "v1"), "cluster/edge"))
	k.collect(CollectOptions{Now: true})
	if k.has("a", index) || k.has("a", child) {
		t.Error("it stays without the pin")
	}
	k.intact()
}

// A tag that a rule fixes neither moves nor goes, whichever way; the same
// again is no change.
func TestImmutableTags(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"rules":[{"repositories":["a"],"immutable":["v.*"]}]}`)))
	first := k.image(ref("a", "v1"), nil, "first")
	child := k.image(ref("a", ""), nil, "child")
	k.index(ref("a", "v2"), nil, child)
	k.image(ref("a", "v1"), nil, "first")
	k.blob("a", "second")
	d, content := imageOf(nil, "second")
	b, err := k.Batch(t.Context())
	k.must(err)
	defer b.Close()
	k.must(b.PutManifest(t.Context(), ref("a", "v1"), d, content))
	for what, err := range map[string]error{
		"push":     k.PutManifest(t.Context(), ref("a", "v1"), d, content),
		"import":   b.Commit(t.Context()),
		"delete":   k.Delete(t.Context(), ref("a", "v1")),
		"manifest": k.Delete(t.Context(), at("a", first)),
	} {
		if fixed := (*ImmutableError)(nil); !errors.As(err, &fixed) || fixed.Has != first.Digest {
			t.Errorf("%s: %v, want an ImmutableError", what, err)
		}
	}
	if fixed := (*ImmutableError)(nil); !errors.As(k.Delete(t.Context(), at("a", child)), &fixed) || fixed.Ref != ref("a", "v2") {
		t.Errorf("a part of v2 can be deleted: %v", fixed)
	}
	k.image(ref("b", "v1"), nil, "first")
	k.image(ref("b", "v1"), nil, "second")
	k.must(k.whole(t.Context(), ref("a", "v1")))
}

// A quota counts each blob once under its prefix, refuses whatever brings
// more, and gets back what is collected.
func TestQuotas(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"quotas":[{"prefix":"team","size":"1000B"}]}`)))
	big, more := strings.Repeat("b", 900), strings.Repeat("m", 200)
	k.blob("team/a", big)
	k.blob("team/b", big) // shared
	k.blob("elsewhere", more)
	upload := func() error {
		u, err := k.StartUpload(t.Context(), "team/a", digest.SHA256)
		k.must(err)
		_, err = u.Append(t.Context(), 0, strings.NewReader(more))
		k.must(err)
		_, err = u.Commit(t.Context(), digest.FromString(more))
		return err
	}
	batch := func() error {
		b, err := k.Batch(t.Context())
		k.must(err)
		k.must(b.PutBlob(t.Context(), "team/a", layerOf(more), strings.NewReader(more)))
		return errors.Join(b.Commit(t.Context()), b.Close())
	}
	_, mount := k.Mount(t.Context(), "team/a", "elsewhere", layerOf(more))
	for what, err := range map[string]error{
		"push": k.PutBlob(t.Context(), "team/a", layerOf(more), strings.NewReader(more)), "upload": upload(), "batch": batch(), "mount": mount,
	} {
		if quota := (*QuotaError)(nil); !errors.As(err, &quota) || quota.Used != 900 || !errors.Is(err, registry.ErrNoSpace) {
			t.Errorf("%s: %v, want a QuotaError with 900 bytes used", what, err)
		}
	}
	k.collect(CollectOptions{})
	k.blob("team/a", more)
}

// What arrives twice at the same time does not use up a quota twice.
func TestQuotaOfTheSameTwice(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"quotas":[{"prefix":"team","size":"1000B"}]}`)))
	text := strings.Repeat("b", 450)
	l := link{"team/a", digest.FromString(text), 450}
	k.must(k.charge(t.Context(), l))
	k.must(k.charge(t.Context(), l)) // another request, before the first has its row
	k.blob("team/a", text)
	k.blob("team/a", strings.Repeat("c", 450))
}

// What a group of blobs failed with is what the batch fails with, whichever
// manifest is tried next.
func TestBatchFailsWithItsFirstReason(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	k.must(k.SetPolicy(t.Context(), []byte("version: 1\nquotas:\n- {prefix: '', size: 10B}\n")))
	b, err := k.Batch(t.Context())
	k.must(err)
	defer b.Close()
	for _, text := range []string{"a config of an image", "a layer of an image"} {
		k.must(b.PutBlob(t.Context(), "a/b", layerOf(text), strings.NewReader(text)))
	}
	d, content := imageOf(nil, "a config of an image", "a layer of an image")
	for range 2 {
		if err := b.PutManifest(t.Context(), at("a/b", d), d, content); !errors.Is(err, registry.ErrNoSpace) {
			t.Error(err)
		}
	}
	if err := b.Commit(t.Context()); !errors.Is(err, registry.ErrNoSpace) {
		t.Error(err)
	}
}
