package store

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/internal/priority"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

// arrival is a blob that is whole in a temporary file, proven, and not yet
// durable.
type arrival struct {
	digest  digest.Digest
	size    int64
	file    *os.File
	shared  bool // its blocks are another file's too: there are no bytes to be written
	settled bool // the file has the blob's name
}

// syncJobs is how many syncs run together: they share the file system's
// journal commits.
const syncJobs = 16

// PutBlob implements registry.Writer. The blob is durable when it returns; its
// row becomes durable with the manifest that names it.
func (s *Store) PutBlob(ctx context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	a, err := s.receive(ctx, d, r)
	if err != nil {
		return err
	}
	defer a.discard()
	ctx = context.WithoutCancel(ctx) // whole as it is, it is worth keeping
	if err := s.land(ctx, []*arrival{a}, link{repository, a.digest, a.size}); err != nil {
		return fmt.Errorf("blob %s: %w", a.digest, registry.DiskError(err))
	}
	return nil
}

// land gives arrivals their names and writes their rows. Nobody removes a file
// in between.
func (s *Store) land(ctx context.Context, arrivals []*arrival, links ...link) error {
	if err := s.charge(ctx, links...); err != nil {
		return err
	}
	s.content.RLock()
	defer s.content.RUnlock()
	err := s.settle(ctx, arrivals...)
	if err == nil {
		err = s.link(ctx, links...)
	}
	if err != nil {
		s.recharge()
	}
	return err
}

// receive writes r to a temporary file while it proves it.
func (s *Store) receive(ctx context.Context, d registry.Descriptor, r io.Reader) (*arrival, error) {
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.path(incomingDir), "blob-*")
	if err != nil {
		return nil, registry.DiskError(err)
	}
	a := &arrival{digest: d.Digest, size: d.Size, file: f}
	if err := a.fill(ctx, d, registry.Unverified(r, d)); err != nil {
		a.discard()
		return nil, registry.DiskError(err)
	}
	return a, nil
}

// fill brings the bytes into the file, and proves what is there then.
func (a *arrival) fill(ctx context.Context, d registry.Descriptor, r io.Reader) error {
	if c, ok := r.(registry.Cloner); ok {
		var err error
		a.shared, err = c.CloneTo(a.file)
		switch {
		case err != nil:
			return err
		case a.shared && c.Proven(): // until after the blocks were shared
			return nil
		case a.shared:
			return a.prove(ctx, d)
		}
	}
	w := durable.NewWriter(a.file, 0)
	err := registry.Prove(r, d, func(r io.Reader, proof io.Writer) error { return w.Fill(ctx, r, proof, nil) })
	w.Flush()
	return err
}

// prove reads a file that came without being read. What it was made of can
// change: the file cannot.
func (a *arrival) prove(ctx context.Context, d registry.Descriptor) error {
	defer durable.Forget(a.file)
	return durable.Copy(ctx, io.Discard, registry.NewVerifyReader(io.NewSectionReader(a.file, 0, d.Size+1), d))
}

// discard lets go of the temporary file; its name may be somebody else's once
// it was settled.
func (a *arrival) discard() {
	a.file.Close()
	if !a.settled {
		os.Remove(a.file.Name())
	}
}

// settle gives arrivals their names: all bytes first, then all names, then
// all folders, so that the file system can do each step in few writes. An
// existing file is replaced, which mends it if it was damaged; who has it open
// keeps the old one. The caller discards the arrivals.
func (s *Store) settle(ctx context.Context, arrivals ...*arrival) error {
	if err := syncArrivals(ctx, arrivals); err != nil {
		return err
	}
	folders := map[string]bool{}
	for _, a := range arrivals {
		path := s.blobPath(a.digest)
		if err := os.Rename(a.file.Name(), path); err != nil {
			return err
		}
		a.settled = true
		folders[filepath.Dir(path)] = true
	}
	return parallel.Do(ctx, syncJobs, slices.Collect(maps.Keys(folders)), func(_ context.Context, folder string) error {
		return durable.SyncDir(folder)
	})
}

// syncArrivals makes all bytes durable. Where blocks are shared, one sync of the
// file system costs less than one of each file.
func syncArrivals(ctx context.Context, arrivals []*arrival) error {
	shared := 0
	for _, a := range arrivals {
		if a.shared {
			shared++
		}
	}
	if shared > 1 {
		return durable.SyncAll(arrivals[0].file)
	}
	return parallel.Do(ctx, syncJobs, arrivals, func(_ context.Context, a *arrival) error { return durable.Sync(a.file) })
}

// Reserve implements registry.Reserver: it compares bytes, with one percent for
// block sizes and the database, to what the file system has free.
func (s *Store) Reserve(_ context.Context, bytes int64) error {
	free, err := durable.Free(string(s.folder))
	if need := bytes + bytes/100; err == nil && need > free {
		return fmt.Errorf("%w in %s: %s are needed, %s are free", registry.ErrNoSpace, s.folder, units.Bytes(need), units.Bytes(free))
	}
	return err
}

// link says that a repository has a blob whose file is durable.
type link struct {
	repository string
	digest     digest.Digest
	size       int64
}

type transaction func(context.Context, func(*sql.Tx) error) error

// link writes the rows of blobs whose files nobody removes meanwhile. They
// become durable with the manifest that names them.
func (s *Store) link(ctx context.Context, links ...link) error {
	err := s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		for _, l := range links {
			s.guard.arrive(registry.RepositoryPath(l.repository), l.digest)
			if err := insertLink(ctx, tx, l); err != nil {
				return err
			}
			priority.GiveWay()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("blob rows: %w", registry.DiskError(err))
	}
	var keys []cacheKey
	var digests []digest.Digest
	for _, l := range links {
		keys = append(keys, blobKey(registry.RepositoryPath(l.repository), l.digest))
		digests = append(digests, l.digest)
	}
	s.cache.forget(keys...)
	return s.healed(ctx, digests...)
}

func insertLink(ctx context.Context, tx *sql.Tx, l link) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO blobs (digest, size, created_at) VALUES (?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET size = excluded.size, unlinked_at = NULL
		WHERE size <> excluded.size OR unlinked_at IS NOT NULL`, l.digest.String(), l.size, now())
	if err != nil {
		return err
	}
	id, err := repositoryID(ctx, tx, l.repository)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO repository_blobs (repository_id, digest, linked_at) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET linked_at = excluded.linked_at`, id, l.digest.String(), now())
	return err
}
