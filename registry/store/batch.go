package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// A batch makes its arrivals durable when so many are waiting: enough to share
// the syncs, few enough to lose little to a crash.
const (
	batchBlobs     = 128
	batchBytes     = 256 << 20
	batchManifests = 256
	batchContent   = 8 << 20 // of manifests, which wait in memory
)

// batch is a registry.Batch: blobs are settled in groups, manifests written in
// groups, names at the end in one transaction.
type batch struct {
	store    *Store
	release  func()     // lets the leases of this batch end
	settling sync.Mutex // held while a group is on its way from waiting into the database; protects failed
	failed   error      // of a group: its blobs are gone, and nothing that needs them can follow

	mu        sync.Mutex // protects the fields below
	waiting   map[digest.Digest]*waiting
	bytes     int64
	manifests []put
	content   int64 // bytes of manifests
	tags      []tagged
	change    func(trust.State) trust.State // of Remember; nil for none
	images    []trust.ImageVerdict
}

// waiting is an arrival with the repositories that it has to be in.
type waiting struct {
	*arrival
	repositories []string
}

// tagged is a name that Commit makes visible.
type tagged struct {
	ref    registry.Ref
	digest digest.Digest
}

// Batch implements registry.Batcher.
func (s *Store) Batch(context.Context) (registry.Batch, error) {
	return &batch{store: s, waiting: map[digest.Digest]*waiting{}, release: s.guard.hold(HoldImport)}, nil
}

// Exists implements registry.Writer; what waits to be settled exists.
func (b *batch) Exists(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	b.mu.Lock()
	w := b.waiting[d.Digest]
	b.mu.Unlock()
	if w != nil && !registry.IsManifest(d.MediaType) {
		return b.Mount(ctx, repository, "", d)
	}
	return b.store.Exists(ctx, repository, d)
}

// PutBlob implements registry.Writer.
func (b *batch) PutBlob(ctx context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	a, err := b.store.receive(ctx, d, r)
	if err != nil {
		return err
	}
	b.mu.Lock()
	if old := b.waiting[d.Digest]; old != nil { // the same bytes twice: one is enough
		old.repositories = append(old.repositories, repository)
		b.mu.Unlock()
		a.discard()
		return nil
	}
	b.waiting[d.Digest] = &waiting{a, []string{repository}}
	if !a.shared {
		b.bytes += a.size
	}
	full := len(b.waiting) >= batchBlobs || b.bytes >= batchBytes
	b.mu.Unlock()
	if full {
		return b.flushBlobs(ctx)
	}
	return nil
}

// Mount implements registry.Mounter, also for blobs that still wait.
func (b *batch) Mount(ctx context.Context, repository, from string, d registry.Descriptor) (bool, error) {
	b.mu.Lock()
	if w := b.waiting[d.Digest]; w != nil {
		w.repositories = append(w.repositories, repository)
		b.mu.Unlock()
		return true, nil
	}
	b.mu.Unlock()
	b.settling.Lock() // d may be in the group that is being settled
	defer b.settling.Unlock()
	return b.store.Mount(ctx, repository, from, d)
}

// Missing implements registry.Checker.
func (b *batch) Missing(ctx context.Context, repository string, blobs []registry.Descriptor) ([]registry.Descriptor, error) {
	if err := b.flushBlobs(ctx); err != nil {
		return nil, err
	}
	return b.store.Missing(ctx, repository, blobs)
}

// Reserve implements registry.Reserver.
func (b *batch) Reserve(ctx context.Context, bytes int64) error { return b.store.Reserve(ctx, bytes) }

// flushBlobs settles what waits. Others may add to the next group meanwhile.
// When it returns, all that waited before is in the database.
func (b *batch) flushBlobs(ctx context.Context) error {
	b.settling.Lock()
	defer b.settling.Unlock()
	if b.failed != nil {
		return b.failed
	}
	ctx = context.WithoutCancel(ctx) // whole as they are, they are worth keeping
	b.mu.Lock()
	group := b.waiting
	b.waiting, b.bytes = map[digest.Digest]*waiting{}, 0
	b.mu.Unlock()
	var arrivals []*arrival
	var links []link
	for _, w := range group {
		arrivals = append(arrivals, w.arrival)
		for _, repository := range w.repositories {
			links = append(links, link{repository, w.digest, w.size})
		}
	}
	if len(links) == 0 {
		return nil
	}
	defer func() {
		for _, a := range arrivals {
			a.discard()
		}
	}()
	if err := b.store.land(ctx, arrivals, links...); err != nil {
		b.failed = fmt.Errorf("blobs: %w", registry.DiskError(err))
	}
	return b.failed
}

// PutManifest implements registry.Writer. A tag waits for Commit.
func (b *batch) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	if err := b.flushBlobs(ctx); err != nil {
		return err
	}
	byDigest := ref.ByDigest(d.Digest)
	known, err := b.store.Exists(ctx, ref.Repository, d)
	if err != nil {
		return err
	}
	var p put
	if !known {
		if p, err = b.store.check(ctx, byDigest, d, content); err != nil {
			return err
		}
	}
	b.mu.Lock()
	if ref.Tag != "" {
		b.tags = append(b.tags, tagged{ref, d.Digest})
	}
	if !known {
		b.manifests = append(b.manifests, p)
		b.content += d.Size
	}
	full := len(b.manifests) >= batchManifests || b.content >= batchContent
	b.mu.Unlock()
	if full {
		return b.flushManifests(ctx)
	}
	return nil
}

func (b *batch) flushManifests(ctx context.Context) error {
	b.mu.Lock()
	group := b.manifests
	b.manifests, b.content = nil, 0
	b.mu.Unlock()
	if len(group) == 0 {
		return nil
	}
	return b.store.putManifests(ctx, b.store.db.WriteSoon, group)
}

// Remember implements trust.Rememberer.
func (b *batch) Remember(change func(trust.State) trust.State, images []trust.ImageVerdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change, b.images = change, images
}

// Commit implements registry.Batch.
func (b *batch) Commit(ctx context.Context) error {
	if err := cmp.Or(b.flushBlobs(ctx), b.flushManifests(ctx)); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []cacheKey
	err := b.store.db.Write(ctx, b.store.noted(ctx, func(tx *noting) error {
		for _, t := range b.tags {
			keys = append(keys, manifestKey(registry.RepositoryPath(t.ref.Repository), t.ref.Tag))
			if err := b.store.commitTag(ctx, tx, t); err != nil {
				return named(t.ref.String(), err)
			}
		}
		if b.change != nil {
			if err := changeTrustState(ctx, tx, b.change); err != nil {
				return err
			}
		}
		return putImageVerdicts(ctx, tx.Tx, b.images)
	}))
	b.store.cache.forget(keys...)
	if err == nil {
		b.tags = nil
	}
	return registry.DiskError(err)
}

// commitTag points a tag at a manifest that the batch found or stored, or notes
// that its digest is a name, unless somebody has deleted it since.
func (s *Store) commitTag(ctx context.Context, tx *noting, t tagged) error {
	id, err := repositoryID(ctx, tx.Tx, t.ref.Repository)
	if err != nil {
		return err
	}
	var one int
	err = tx.QueryRowContext(ctx, `SELECT 1 FROM repository_manifests WHERE repository_id = ? AND digest = ?`, id, t.digest.String()).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %s was deleted meanwhile", registry.ErrConflict, t.digest)
	}
	if err != nil {
		return err
	}
	path := registry.RepositoryPath(t.ref.Repository)
	if !s.guard.keeps(path, t.digest) {
		return fmt.Errorf("%w: %s was collected meanwhile", registry.ErrConflict, t.digest)
	}
	s.guard.arrive(path, t.digest)
	if t.ref.Tag == "" {
		return nameDigest(ctx, tx, id, t.digest)
	}
	return s.setTag(ctx, tx, id, t.ref, t.digest)
}

// nameDigest makes a digest a name of its own.
func nameDigest(ctx context.Context, tx *noting, repository int64, d digest.Digest) error {
	result, err := tx.ExecContext(ctx, `UPDATE repository_manifests SET named = 1 WHERE repository_id = ? AND digest = ? AND named = 0`, repository, d.String())
	if err != nil || !tx.asked {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		return err
	}
	name, err := tx.name(ctx, repository, registry.Ref{Digest: d})
	tx.note(Change{Kind: ManifestPut, Name: name, After: d})
	return err
}

// PutName implements registry.Namer. It waits for Commit.
func (b *batch) PutName(_ context.Context, ref registry.Ref) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tags = append(b.tags, tagged{registry.Ref{Repository: ref.Repository}, ref.Digest})
	return nil
}

// Close implements registry.Batch: blobs that are whole are kept for the next
// attempt, names that were not committed never were.
func (b *batch) Close() error {
	defer b.release()
	return b.flushBlobs(context.Background())
}
