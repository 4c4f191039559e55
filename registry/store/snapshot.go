package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
)

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

// Snapshot is the database as it is now, a SQLite file. Under a Hold, what it
// names can be read with BlobBytes.
func (s *Store) Snapshot(ctx context.Context) (io.ReadCloser, error) {
	dir, err := os.MkdirTemp(s.path(incomingDir), "snapshot-*")
	if err != nil {
		return nil, named("snapshot", err)
	}
	path := filepath.Join(dir, Database)
	err = s.db.Snapshot(ctx, path, slices.Concat(pruned, s.tables.pruned())...)
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

// BlobBytes reads a blob whichever repository has it. Its end proves it; what
// is damaged goes into quarantine.
func (s *Store) BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
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
	return &suspectReader{registry.NewVerifyReader(f, registry.Descriptor{Digest: d, Size: size}), ctx, s, d, f}, nil
}

// suspectReader puts a blob into quarantine when reading it shows damage.
type suspectReader struct {
	proven io.Reader
	ctx    context.Context //nolint:containedctx // of the request that reads
	store  *Store
	digest digest.Digest
	file   *os.File
}

func (r *suspectReader) Read(p []byte) (int, error) {
	n, err := r.proven.Read(p)
	if registry.WrongBytes(err) || errors.Is(err, syscall.EIO) {
		_, quarantineErr := r.store.quarantine(r.ctx, r.digest, r.file, withoutPath(err))
		err = errors.Join(err, quarantineErr)
	}
	return n, err
}

func (r *suspectReader) Close() error { return r.file.Close() }

// SnapshotBlobs are the blobs that a snapshot in a file names, by digest.
func SnapshotBlobs(ctx context.Context, path string) (blobs []registry.Descriptor, err error) {
	db, err := sqldb.OpenSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var d registry.Descriptor
	err = each(ctx, db, []any{&d.Digest, &d.Size}, func() { blobs = append(blobs, d) }, `SELECT digest, size FROM blobs ORDER BY digest`)
	return blobs, err
}
