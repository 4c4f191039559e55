package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// backupRest is for how long a backup may ask for nothing before it is taken
// for abandoned.
const backupRest = 5 * time.Minute

// backups knows whether a backup is being taken: nothing that its snapshot
// names is erased meanwhile.
type backups struct {
	mu      sync.Mutex // protects the fields below
	release func()
	expiry  *time.Timer
}

func (s *Store) holdForBackup() {
	b := &s.backups
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.release != nil && b.expiry.Stop() { // an earlier one, or an earlier step of this one
		b.expiry.Reset(backupRest)
		return
	}
	b.release = s.guard.hold()
	b.expiry = time.AfterFunc(backupRest, b.release)
}

// pruned takes from a snapshot what is only of use where it was taken.
var pruned = []string{
	`DELETE FROM trash`,
	`DELETE FROM uploads`,
	`DELETE FROM damaged`,
	`DELETE FROM documents WHERE name = '` + scrubDocument + `'`,
	`DELETE FROM blobs WHERE unlinked_at IS NOT NULL`,
	`DELETE FROM manifest_references WHERE manifest IN (SELECT digest FROM manifests WHERE unlinked_at IS NOT NULL)`,
	`DELETE FROM manifests WHERE unlinked_at IS NOT NULL`,
}

// Snapshot is the database as it is now, a SQLite file. What it names can be
// read with BlobBytes for as long as the backup goes on.
func (s *Store) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	s.holdForBackup()
	dir, err := os.MkdirTemp(s.path(incomingDir), "snapshot-*")
	if err != nil {
		return nil, named("snapshot", err)
	}
	path := filepath.Join(dir, Database)
	err = s.db.Snapshot(ctx, path, pruned...)
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	os.RemoveAll(dir) // f stays readable
	if err != nil {
		return nil, named("snapshot", err)
	}
	return f, nil
}

// BlobBytes reads a blob whichever repository has it. Its end proves it.
func (s *Store) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	s.holdForBackup()
	var size int64
	err := s.queries.blobSize.QueryRowContext(ctx, d.String()).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	f, err := s.openWhole(ctx, d, size)
	if err != nil {
		return nil, err
	}
	return registry.VerifyReadCloser(f, registry.Descriptor{Digest: d, Size: size}), nil
}
