package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Delete implements registry.Deleter. The bytes stay until they are collected.
func (s *Store) Delete(ctx context.Context, ref registry.Ref) error {
	path := registry.RepositoryPath(ref.Repository)
	if ref.Digest != "" {
		return s.deleteManifest(ctx, ref, path)
	}
	err := s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, path)
		if err != nil {
			return err
		}
		if err := s.mayDeleteTag(ctx, tx.Tx, id, ref); err != nil {
			return err
		}
		var was digest.Digest
		err = tx.QueryRowContext(ctx, `DELETE FROM tags WHERE name = ? AND repository_id = ? RETURNING digest`, ref.Tag, id).Scan(&was)
		if errors.Is(err, sql.ErrNoRows) {
			err = registry.ErrNotFound
		}
		if err != nil {
			return err
		}
		return tx.noteDeleted(ctx, TagDelete, id, registry.Ref{Tag: ref.Tag}, was)
	}))
	s.cache.forget(manifestKey(path, ref.Tag))
	return named(ref.String(), err)
}

// knownRepository is the row of a repository that exists.
func knownRepository(ctx context.Context, tx *sql.Tx, path string) (id int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT id FROM repositories WHERE path = ?`, path).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	return id, err
}

// deleteManifest takes a manifest out of a repository, with its tags there.
func (s *Store) deleteManifest(ctx context.Context, ref registry.Ref, path string) error {
	keys := []cacheKey{manifestKey(path, ref.Digest.String())}
	err := s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, path)
		if err != nil {
			return err
		}
		if err := s.mayDeleteManifest(ctx, tx.Tx, id, ref); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `DELETE FROM tags WHERE digest = ? AND repository_id = ? RETURNING name`, ref.Digest.String(), id)
		tags, err := readNames(rows, err)
		if err != nil {
			return err
		}
		for _, tag := range tags {
			keys = append(keys, manifestKey(path, tag))
			if err := tx.noteDeleted(ctx, TagDelete, id, registry.Ref{Tag: tag}, ref.Digest); err != nil {
				return err
			}
		}
		if err := unlinkManifest(ctx, tx.Tx, id, ref.Digest); err != nil {
			return err
		}
		return tx.noteDeleted(ctx, ManifestDelete, id, registry.Ref{Digest: ref.Digest}, ref.Digest)
	}))
	s.cache.forget(keys...)
	return named(ref.String(), err)
}

// DeleteBlob takes a blob out of a repository. ErrConflict while a manifest
// of the repository needs it.
func (s *Store) DeleteBlob(ctx context.Context, repository string, d digest.Digest) error {
	path := registry.RepositoryPath(repository)
	err := s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, path)
		if err != nil {
			return err
		}
		if err := s.pinnedAbove(ctx, tx.Tx, id, registry.Ref{Repository: repository, Digest: d}); err != nil {
			return err
		}
		var by string
		err = tx.QueryRowContext(ctx, `SELECT mr.manifest FROM manifest_references mr
			JOIN repository_manifests rm ON rm.digest = mr.manifest AND rm.repository_id = ?
			WHERE mr.digest = ? LIMIT 1`, id, d.String()).Scan(&by)
		if err == nil {
			return fmt.Errorf("%w: manifest %s needs it", registry.ErrConflict, by)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err := unlinkBlob(ctx, tx.Tx, id, d); err != nil {
			return err
		}
		return tx.noteDeleted(ctx, BlobDelete, id, registry.Ref{Digest: d}, d)
	}))
	s.cache.forget(blobKey(path, d))
	s.recharge()
	return named(repository+"@"+d.String(), err)
}

// mustAffect is ErrNotFound when a statement changed nothing.
func mustAffect(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n > 0 || err != nil {
		return err
	}
	return registry.ErrNotFound
}

func named(what string, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), what+" ") {
		return err // it names it itself
	}
	return fmt.Errorf("%s: %w", what, registry.DiskError(err))
}
