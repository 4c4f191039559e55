package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// endsAfter is a context that ends when it was asked so many times.
type endsAfter struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (e *endsAfter) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

// many puts an index over images, three pages of them, and nothing that keeps it.
func many(k *kit, tag string) registry.Descriptor {
	var children []registry.Descriptor
	for i := range 5 {
		children = append(children, k.image(ref("a", ""), nil, fmt.Sprint("config ", i), "shared"))
	}
	return k.index(ref("a", tag), nil, k.index(ref("a", ""), nil, children...))
}

// Ended between any two of its steps, a collection leaves nothing that misses
// anything, and the next one does the rest.
func TestCollectionEndedAnywhere(t *testing.T) {
	t.Parallel()
	for steps, ended := 0, true; ended; steps++ {
		k := newKit(t, noLease)
		many(k, "")
		k.image(ref("a", "kept"), nil, "other", "shared")
		_, err := k.Collect(&endsAfter{Context: t.Context(), left: steps}, CollectOptions{Now: true})
		if ended = errors.Is(err, context.Canceled); !ended && err != nil {
			t.Fatal(err)
		}
		k.intact()
		k.must(k.whole(t.Context(), ref("a", "kept")))
		k.collect(CollectOptions{Now: true})
		k.intact()
		if n := k.number(`SELECT count(*) FROM manifests`); n != 1 {
			t.Fatalf("ended after %d steps, %d manifests are left after the next collection", steps, n)
		}
		k.must(k.Close())
		if steps > 500 {
			t.Fatal("a collection takes too many steps")
		}
	}
}

// Between the transactions of a sweep every manifest that is left has its
// children: parents go first, however many pages there are.
func TestSweepsParentsFirst(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	top := many(k, "")
	c := &collector{Store: k.Store, totals: map[int64]*CollectedRepository{}}
	defer k.guard.end()
	k.must(c.markAll(t.Context()))
	k.must(c.cut(t.Context()))
	gone, err := c.surveyManifests(t.Context())
	k.must(err)
	for len(gone) > 0 {
		var later []row
		for _, r := range gone {
			waiting, err := c.sweepManifestPage(t.Context(), []row{r}, false)
			k.must(err)
			later = append(later, waiting...)
			if n := k.number(`SELECT count(*) FROM manifest_references mr JOIN repository_manifests rm ON rm.digest = mr.manifest
				WHERE mr.kind = 'manifest' AND mr.digest NOT IN (SELECT digest FROM repository_manifests)`); n != 0 {
				t.Fatalf("%d children went before their parents, the first of which is %s", n, top.Digest)
			}
		}
		if len(later) == len(gone) {
			t.Fatal("nothing goes any more")
		}
		gone = later
	}
}

// One at a time: a second collection, an undo or retention is refused.
func TestUpkeepIsAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.image(ref("a", "v1"), nil, "config")
	asked := false
	k.collect(CollectOptions{DryRun: true, Kept: func(Kept) {
		asked = true
		_, collect := k.Collect(t.Context(), CollectOptions{})
		_, undo := k.Undo(t.Context())
		_, retain := k.Retain(t.Context(), RetainOptions{})
		for _, err := range []error{collect, undo, retain} {
			if !errors.Is(err, registry.ErrConflict) {
				t.Errorf("%v, want ErrConflict", err)
			}
		}
	}})
	if !asked {
		t.Error("Kept was not called")
	}
}

// state is all that a dry run may not change.
func (k *kit) state() []string {
	list := k.blobFiles()
	for _, table := range []string{"repositories", "blobs", "repository_blobs", "manifests", "manifest_references", "repository_manifests", "tags", "pins", "trash", "damaged", "documents"} {
		list = append(list, fmt.Sprint(table, k.number(`SELECT count(*) FROM `+table)))
	}
	return append(list, fmt.Sprint(k.number(`SELECT count(*) FROM blobs WHERE unlinked_at IS NOT NULL`)))
}

// A dry run changes nothing and tells of each manifest that stays why.
func TestDryRun(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	tagged := k.image(ref("a", "v1"), nil, "c1", "layer")
	signature := k.image(ref("a", ""), &tagged, "sig")
	child := k.image(ref("a", ""), nil, "c2", "layer")
	pinned := k.index(ref("a", ""), nil, child)
	_, err := k.Pin(t.Context(), at("a", pinned), "operator", "golden")
	k.must(err)
	k.image(ref("a", ""), nil, "gone", "layer")
	before, reasons := k.state(), map[digest.Digest]string{}
	dry := k.collect(CollectOptions{DryRun: true, Kept: func(kept Kept) { reasons[kept.Digest] = kept.Reason }})
	if diff := cmp.Diff(before, k.state()); diff != "" {
		t.Errorf("a dry run changed something (-before +after):\n%s", diff)
	}
	want := map[digest.Digest]string{tagged.Digest: "tags v1", pinned.Digest: "pin of operator: golden",
		signature.Digest: "refers to " + tagged.Digest.String(), child.Digest: "part of " + pinned.Digest.String()}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	real := k.collect(CollectOptions{})
	if dry.Manifests != 1 || dry.Blobs != 1 || dry.Bytes != int64(len("gone")) || !cmp.Equal(dry.Repositories, real.Repositories) {
		t.Errorf("the dry run said %+v, the real one did %+v", dry, real)
	}
}

// An undo brings back what retention and collection took, but no tag that was
// set again meanwhile.
func TestUndo(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"rules":[{"repositories":["a"],"keep":{"tags":["keep"]}}]}`)))
	old := k.image(ref("a", "v1"), nil, "c1", "layer")
	k.image(ref("a", "v2"), nil, "c2", "layer")
	k.image(ref("a", "keep"), nil, "c3")
	k.exec(`UPDATE tags SET updated_at = 1000 WHERE name = 'v1'`)
	retained, err := k.Retain(t.Context(), RetainOptions{})
	k.must(err)
	if retained.Removed != 2 {
		t.Fatalf("%d tags removed, want v1 and v2", retained.Removed)
	}
	k.collect(CollectOptions{})
	if k.has("a", old) || k.hasBlob("a", "layer") {
		t.Error("what retention let go was not collected")
	}
	fresh := k.image(ref("a", "v2"), nil, "new")
	restored, err := k.Undo(t.Context())
	k.must(err)
	if restored.Tags != 1 || restored.Manifests != 2 {
		t.Errorf("restored %+v, want v1, and both manifests", restored)
	}
	k.must(k.whole(t.Context(), ref("a", "v1")))
	if at := k.number(`SELECT updated_at FROM tags WHERE name = 'v1'`); at != 1000 {
		t.Errorf("v1 is dated %d, want its own time", at)
	}
	if d, err := k.Resolve(t.Context(), ref("a", "v2")); err != nil || d.Digest != fresh.Digest {
		t.Errorf("v2 is %s, %v; want the one that was pushed since", d.Digest, err)
	}
	k.intact()
}

// Clocks that jump neither stop an undo nor a collection, nor do they protect
// for ever.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	far := time.Now().Add(1000 * time.Hour).UnixMilli()
	k.image(ref("a", ""), nil, "old")
	k.forgetLeases()
	k.exec(`UPDATE repository_manifests SET linked_at = ?`, far)
	k.exec(`UPDATE repository_blobs SET linked_at = ?`, far)
	fresh := k.image(ref("a", ""), nil, "new")
	k.guard.mu.Lock()
	clear(k.guard.leases) // as after a restart
	k.guard.mu.Unlock()
	k.collect(CollectOptions{})
	if k.hasBlob("a", "old") || !k.has("a", fresh) {
		t.Errorf("old %v, new %v; want the new one only", k.hasBlob("a", "old"), k.has("a", fresh))
	}
	k.exec(`UPDATE blobs SET unlinked_at = ? WHERE unlinked_at IS NOT NULL`, far)
	k.exec(`UPDATE manifests SET unlinked_at = ? WHERE unlinked_at IS NOT NULL`, far)
	k.exec(`UPDATE trash SET trashed_at = ?`, far)
	_, err := k.Undo(t.Context())
	k.must(err)
	if n := k.number(`SELECT count(*) FROM blobs WHERE unlinked_at IS NOT NULL`) + k.number(`SELECT count(*) FROM trash`); n != 0 || !k.hasBlob("a", "old") {
		t.Errorf("after the undo %d rows are still trash", n)
	}
	k.forgetLeases()
	k.collect(CollectOptions{})
	k.exec(`UPDATE blobs SET unlinked_at = ? WHERE unlinked_at IS NOT NULL`, far)
	k.exec(`UPDATE manifests SET unlinked_at = ? WHERE unlinked_at IS NOT NULL`, far)
	k.exec(`UPDATE trash SET trashed_at = ?`, far)
	k.collect(CollectOptions{Now: true})
	if n := len(k.blobFiles()) + int(k.number(`SELECT count(*) FROM manifests`)) + int(k.number(`SELECT count(*) FROM trash`)); n != 0 {
		t.Errorf("%d things from the future are left", n)
	}
}

// What was pushed again counts as new after a restart, too.
func TestPushedAgainIsNew(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	d := k.image(ref("a", ""), nil, "config")
	k.forgetLeases()
	k.image(ref("a", ""), nil, "config")
	k.guard.mu.Lock()
	clear(k.guard.leases) // as after a restart
	k.guard.mu.Unlock()
	k.collect(CollectOptions{})
	if !k.has("a", d) || !k.hasBlob("a", "config") {
		t.Error("what was pushed just now was collected")
	}
}

// Why tells every root with the path from it.
func TestWhy(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	child := k.image(ref("a", ""), nil, "config", "layer")
	index := k.index(ref("a", "v1"), nil, child)
	signature := k.image(ref("a", ""), &index, "signature")
	_, err := k.Pin(t.Context(), at("a", child), "operator", "golden")
	k.must(err)
	k.image(ref("b", "other"), nil, "layer")
	b, err := k.Batch(t.Context())
	k.must(err)
	k.must(b.(registry.Namer).PutName(t.Context(), at("a", signature)))
	k.must(b.Commit(t.Context()))
	k.must(b.Close())
	for d, want := range map[digest.Digest][]string{
		layerOf("layer").Digest:     {"pin a@" + child.Digest.String() + " 2", "tag a:v1 3", "tag b:other 2"},
		layerOf("signature").Digest: {"name a@" + signature.Digest.String() + " 2", "tag a:v1 3"},
		child.Digest:                {"pin a@" + child.Digest.String() + " 1", "tag a:v1 2"},
	} {
		e, err := k.Why(t.Context(), d)
		k.must(err)
		var got []string
		for _, r := range e.Roots {
			got = append(got, fmt.Sprint(r.Kind, " ", r.Name, " ", len(r.Path)))
			if r.Path[len(r.Path)-1] != d {
				t.Errorf("the path %v does not lead to %s", r.Path, d)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d, diff)
		}
	}
	if _, err := k.Why(t.Context(), digest.FromString("nothing")); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("of what is not there: %v, want ErrNotFound", err)
	}
}

// A client that relies on an answer from before a restart finds its blob in
// the trash.
func TestRevives(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.blob("a", "config")
	k.collect(CollectOptions{})
	d, content := imageOf(nil, "config")
	k.put(ref("a", "v1"), d, content)
	k.must(k.whole(t.Context(), ref("a", "v1")))
	if err := k.PutManifest(t.Context(), ref("b", "v1"), d, content); !errors.Is(err, registry.ErrIncomplete) {
		t.Errorf("in another repository: %v, want ErrIncomplete", err)
	}
}

// pusher pushes an image as clients do: what is there is not pushed.
func pusher(ctx context.Context, k *kit, r registry.Ref, layers ...string) error {
	for _, text := range layers {
		ok, err := k.Exists(ctx, r.Repository, layerOf(text))
		if err == nil && !ok {
			err = k.PutBlob(ctx, r.Repository, layerOf(text), strings.NewReader(text))
		}
		if err != nil {
			return err
		}
	}
	d, content := imageOf(nil, layers...)
	ok, err := k.Exists(ctx, r.Repository, d)
	if err == nil && (!ok || r.Tag != "") {
		err = k.PutManifest(ctx, r, d, content)
	}
	if err != nil {
		return err
	}
	index, content := indexOf(nil, d)
	if err := k.PutManifest(ctx, ref(r.Repository, "index-"+r.Tag), index, content); err != nil {
		return err
	}
	return k.whole(ctx, ref(r.Repository, "index-"+r.Tag))
}

// importer pushes through a batch.
func importer(ctx context.Context, k *kit, r registry.Ref, layers ...string) error {
	b, err := k.Batch(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, text := range layers {
		ok, err := b.Exists(ctx, r.Repository, layerOf(text))
		if err == nil && !ok {
			ok, err = b.(registry.Mounter).Mount(ctx, r.Repository, "", layerOf(text))
		}
		if err == nil && !ok {
			err = b.PutBlob(ctx, r.Repository, layerOf(text), strings.NewReader(text))
		}
		if err != nil {
			return err
		}
	}
	d, content := imageOf(nil, layers...)
	if err := b.PutManifest(ctx, r, d, content); err != nil {
		return err
	}
	if err := b.Commit(ctx); err != nil {
		return err
	}
	return k.whole(ctx, r)
}

// upkeep collects, retains and undoes until all pushers have ended; everything
// that no lease protects is old.
func upkeep(k *kit, stop <-chan struct{}) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		k.exec(`UPDATE repository_manifests SET linked_at = 0`) // as if it had been there for long
		k.exec(`UPDATE repository_blobs SET linked_at = 0`)
		if _, err := k.Retain(k.t.Context(), RetainOptions{}); err != nil {
			return err
		}
		if _, err := k.Collect(k.t.Context(), CollectOptions{Now: i%2 == 0}); err != nil {
			return err
		}
		if i%3 == 0 {
			if _, err := k.Undo(k.t.Context()); err != nil {
				return err
			}
		}
	}
}

// Whatever was said to be there is there when the manifest comes, whatever
// collections do meanwhile: no push fails, and each tag is whole.
func TestPushesDuringCollections(t *testing.T) {
	t.Parallel()
	for name, push := range map[string]func(context.Context, *kit, registry.Ref, ...string) error{"pusher": pusher, "importer": importer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, Options{})
			k.must(k.SetPolicy(t.Context(), []byte(`{"version":1,"rules":[{"repositories":["**"],"keep":{"tags":["none"]}}]}`)))
			for i := range 8 { // old content, which collections want to take
				k.image(ref("old", ""), nil, fmt.Sprint("config ", i), "shared")
				k.image(ref(fmt.Sprint("team/", i%3), ""), nil, fmt.Sprint("config ", i), "shared")
			}
			k.forgetLeases()
			var pushers, keeper sync.WaitGroup
			stop := make(chan struct{})
			keeper.Go(func() {
				if err := upkeep(k, stop); err != nil {
					t.Error(err)
				}
			})
			for p := range 3 {
				pushers.Go(func() {
					for i := range 25 {
						r := ref(fmt.Sprint("team/", p), fmt.Sprint("v", p, "-", i))
						err := push(t.Context(), k, r, fmt.Sprint("config ", i%8), "shared", fmt.Sprint("layer ", i%5))
						if err != nil && !tagWasRetained(err) {
							t.Errorf("%s: %v", r, err)
						}
					}
				})
			}
			pushers.Wait()
			close(stop)
			keeper.Wait()
			k.intact()
		})
	}
}

// tagWasRetained: the policy, which keeps no tag, was quicker than the proof.
func tagWasRetained(err error) bool {
	return errors.Is(err, registry.ErrNotFound) && !strings.Contains(err.Error(), "misses") && !errors.Is(err, registry.ErrIncomplete)
}
