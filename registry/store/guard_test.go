package store

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// duringSweep collects, and runs f right after the cut, before anything is
// taken out.
func duringSweep(k *kit, f func()) {
	k.t.Helper()
	ctx := k.t.Context()
	c := &collector{Store: k.Store, totals: map[int64]*CollectedRepository{}}
	defer k.guard.end()
	k.must(c.markAll(ctx))
	k.must(c.cut(ctx))
	f()
	k.must(c.sweepManifests(ctx))
	k.must(c.surveyBlobs(ctx, func(page []row) error { return c.sweepBlobPage(ctx, page) }))
}

// A lease that is given in one repository after the cut does not keep half of
// the same manifest in another one.
func TestLeaseAfterCutIsOfOneRepository(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	d := k.image(ref("live", "v1"), nil, "config", "layer")
	k.image(ref("dead", ""), nil, "config", "layer")
	k.forgetLeases()
	duringSweep(k, func() {
		if !k.has("live", d) {
			t.Error("what is live is not there during a collection")
		}
		if k.has("dead", d) {
			t.Error("what goes was said to be there")
		}
	})
	k.intact()
	if k.has("dead", d) {
		t.Error("a manifest that nothing keeps is still there")
	}
}

// An index that is put during a collection keeps the child that it found, with
// all that the child needs.
func TestIndexPutAfterCutKeepsItsChildren(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	child := k.image(ref("a", ""), nil, "config", "layer")
	k.image(ref("a", ""), &child, "signature")
	k.forgetLeases()
	duringSweep(k, func() { k.index(ref("a", "v1"), nil, child) })
	k.intact()
	if !k.has("a", child) {
		t.Error("the child is gone")
	}
	if list, err := k.Referrers(t.Context(), "a", child.Digest); err != nil || len(list) != 1 {
		t.Errorf("referrers of the child: %v, %v; want one", list, err)
	}
}

// A manifest that is accepted during a collection keeps its blobs, however
// short leases are.
func TestManifestPutAfterCutKeepsItsBlobs(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	k.blob("a", "config")
	k.blob("a", "layer")
	d, content := imageOf(nil, "config", "layer")
	duringSweep(k, func() {
		k.put(ref("a", "v1"), d, content)
		k.forgetLeases()
	})
	k.intact()
}

// Manifests that need each other in a circle go together.
func TestCollectsCircles(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	image := k.image(ref("a", ""), nil, "config", "layer")
	k.index(ref("a", ""), &image, image) // refers to its own child
	k.collect(CollectOptions{Now: true})
	k.intact()
	if n := k.number(`SELECT count(*) FROM manifests`); n != 0 {
		t.Errorf("%d manifests are left, want none", n)
	}
}

// What a transaction wrote while the marking began is never taken out.
func TestMarkingBeginsBetweenTransactions(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	inside, marked := make(chan struct{}), make(chan error, 1)
	d, content := imageOf(nil, "config")
	k.blob("a", "config")
	p := put{ref: at("a", d), descriptor: d, content: content}
	var err error
	p.parsed, err = registry.CheckManifest(p.ref, d, content)
	k.must(err)
	c := &collector{Store: k.Store, totals: map[int64]*CollectedRepository{}}
	defer k.guard.end()
	go func() {
		<-inside
		marked <- c.markAll(context.Background())
	}()
	k.must(k.db.Write(t.Context(), func(tx *sql.Tx) error {
		err := k.insertManifest(t.Context(), &noting{Tx: tx}, p)
		close(inside)
		select {
		case err := <-marked: // too early: it cannot have seen this transaction
			t.Errorf("marked during a transaction: %v", err)
			marked <- err
		case <-time.After(50 * time.Millisecond): // it waits, as it has to
		}
		return err
	}))
	k.must(<-marked)
}

// An answer whose question was asked before the end of a collection is asked
// again: what was read then may be gone.
func TestAnswersAreOfOneCollection(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	d := k.image(ref("a", ""), nil, "config")
	before := k.guard.epoch()
	k.collect(CollectOptions{})
	if err := k.guard.answerManifest("a", d.Digest, before); !errors.Is(err, errAskAgain) {
		t.Errorf("an answer from before the collection: %v, want errAskAgain", err)
	}
}

// Nothing that was said to be there is erased before its lease ends; a hold
// keeps every lease.
func TestLeasesAndHolds(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{Lease: time.Hour})
	k.image(ref("a", ""), nil, "config", "layer")
	k.age(2 * time.Hour)
	if !k.hasBlob("a", "layer") {
		t.Fatal("the layer is not there")
	}
	k.collect(CollectOptions{Now: true})
	if !k.hasBlob("a", "layer") || k.hasBlob("a", "config") {
		t.Errorf("layer %v, config %v; want the leased layer only", k.hasBlob("a", "layer"), k.hasBlob("a", "config"))
	}
	release := k.guard.hold(HoldImport)
	k.ageHolds(3 * time.Hour)
	k.age(2 * time.Hour)
	k.collect(CollectOptions{Now: true})
	if !k.hasBlob("a", "layer") {
		t.Error("a lease ended during a hold")
	}
	release()
	k.age(2 * time.Hour)
	k.collect(CollectOptions{Now: true})
	if k.hasBlob("a", "layer") {
		t.Error("the layer stays after its lease")
	}
	k.intact()
}

// forgetLeases makes all that is there old, and all leases end.
func (k *kit) forgetLeases() {
	k.exec(`UPDATE repository_manifests SET linked_at = 0`)
	k.exec(`UPDATE repository_blobs SET linked_at = 0`)
	k.guard.mu.Lock()
	defer k.guard.mu.Unlock()
	clear(k.guard.leases)
}

// age makes all leases and rows older.
func (k *kit) age(by time.Duration) {
	k.exec(`UPDATE repository_manifests SET linked_at = linked_at - ?`, by.Milliseconds())
	k.exec(`UPDATE repository_blobs SET linked_at = linked_at - ?`, by.Milliseconds())
	k.guard.mu.Lock()
	defer k.guard.mu.Unlock()
	for h, at := range k.guard.leases {
		k.guard.leases[h] = at - age(by)
	}
}

func (k *kit) ageHolds(by time.Duration) {
	k.guard.mu.Lock()
	defer k.guard.mu.Unlock()
	for h := range k.guard.holds {
		h.since -= age(by)
	}
}

// While an import runs, what nothing needs is erased; while a backup runs, it
// waits in the trash.
func TestEraseUnderHolds(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	for kind, want := range map[HoldKind]int64{HoldBackup: 0, HoldImport: 1} {
		k.blob("a", string(kind))
		release, err := k.Hold(t.Context(), kind)
		k.must(err)
		k.forgetLeases()
		if c := k.collect(CollectOptions{Now: true}); c.Erased.Blobs != want {
			t.Errorf("%s: %+v erased, want %d blobs", kind, c.Erased, want)
		}
		release()
		k.collect(CollectOptions{Now: true})
	}
	if _, err := k.Hold(t.Context(), "x"); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a hold for x: %v, want ErrInvalid", err)
	}
}
