package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// reconcile brings the folder back to what its drawing says after any end of
// the last process. It looks at blobs only when that end was not clean.
func (s *Store) reconcile(ctx context.Context) error {
	if err := s.emptyIncoming(); err != nil {
		return err
	}
	if err := s.expireUploads(ctx); err != nil {
		return err
	}
	_, err := os.Stat(s.path(runningFile))
	if err == nil {
		err = s.adoptBlobs(ctx)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(s.path(runningFile), nil, 0o644); err != nil {
		return err
	}
	return durable.SyncDir(s.dir)
}

func (s *Store) emptyIncoming() error {
	entries, err := os.ReadDir(s.path(incomingDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(s.path(incomingDir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// adoptBlobs writes the rows that a power cut took back: a file under its
// final name is whole, so the next import or push finds it instead of moving
// it again.
func (s *Store) adoptBlobs(ctx context.Context) error {
	folders, err := filepath.Glob(s.path(blobsDir, "*", "??"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		if err := s.adopt(ctx, folder, entries); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) adopt(ctx context.Context, folder string, entries []os.DirEntry) error {
	algorithm := filepath.Base(filepath.Dir(folder))
	var adopted []registry.Descriptor
	for _, e := range entries {
		d, err := registry.ParseDigest(algorithm + ":" + e.Name())
		if err != nil {
			continue // not ours: left alone
		}
		var known int64
		switch err := s.queries.blobSize.QueryRowContext(ctx, d.String()).Scan(&known); {
		case err == nil:
			continue
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		adopted = append(adopted, registry.Descriptor{Digest: d, Size: info.Size()})
	}
	if len(adopted) == 0 {
		return nil
	}
	if err := durable.SyncDir(folder); err != nil { // a row must not outlive its file's name
		return err
	}
	return s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		for _, d := range adopted {
			if err := insertBlob(ctx, tx, d.Digest, d.Size); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertBlob notes a blob whose file is durable under its name.
func insertBlob(ctx context.Context, tx *sql.Tx, d digest.Digest, size int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO blobs (digest, size, created_at) VALUES (?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET size = excluded.size`, d.String(), size, now())
	return err
}
