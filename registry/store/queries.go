package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/registry"
)

// queries are the statements of the hot paths, prepared once.
type queries struct {
	blobSize       *sql.Stmt // digest → size
	repositoryBlob *sql.Stmt // path, digest → size
	byTag          *sql.Stmt // path, tag → digest, media type, content
	byDigest       *sql.Stmt // path, digest → the same
	content        *sql.Stmt // path that is not looked at, digest → the same
	hasManifest    *sql.Stmt // path, digest → 1 if it is not damaged
}

func (q *queries) prepare(ctx context.Context, db *sql.DB) error {
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&q.blobSize, `SELECT size FROM blobs WHERE digest = ?`},
		{&q.repositoryBlob, `SELECT b.size FROM repositories r
			JOIN repository_blobs rb ON rb.repository_id = r.id
			JOIN blobs b ON b.digest = rb.digest
			WHERE r.path = ? AND rb.digest = ?`},
		{&q.byTag, `SELECT m.digest, m.media_type, m.content FROM repositories r
			JOIN tags t ON t.repository_id = r.id
			JOIN manifests m ON m.digest = t.digest
			WHERE r.path = ? AND t.name = ?`},
		{&q.byDigest, `SELECT m.digest, m.media_type, m.content FROM repositories r
			JOIN repository_manifests rm ON rm.repository_id = r.id
			JOIN manifests m ON m.digest = rm.digest
			WHERE r.path = ? AND rm.digest = ?`},
		{&q.content, `SELECT digest, media_type, content FROM manifests WHERE digest = ?2`},
		{&q.hasManifest, `SELECT 1 FROM repositories r
			JOIN repository_manifests rm ON rm.repository_id = r.id
			WHERE r.path = ? AND rm.digest = ? AND NOT EXISTS (SELECT 1 FROM damaged d WHERE d.digest = rm.digest)`},
	} {
		var err error
		if *s.to, err = db.PrepareContext(ctx, s.sql); err != nil {
			return err
		}
	}
	return nil
}

func (q *queries) close() {
	for _, s := range []*sql.Stmt{q.blobSize, q.repositoryBlob, q.byTag, q.byDigest, q.content, q.hasManifest} {
		s.Close()
	}
}

// unwatched is ctx for a query of some microseconds: to watch for its
// cancellation takes goroutines, which cost as much as the query.
func unwatched(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// repositoryID returns the row of a repository and makes it when it is new.
// Whoever comes first decides how the repository is called in listings: by the
// original name that it was given, or by what its path suggests.
func repositoryID(ctx context.Context, tx *sql.Tx, repository string) (id int64, err error) {
	path, name := registry.RepositoryPath(repository), repository
	if name == path {
		name = registry.RepositoryName(path)
	}
	if !registry.ValidRepositoryPath(path) {
		return 0, fmt.Errorf("%w: repository %q cannot be served", registry.ErrInvalid, repository)
	}
	err = tx.QueryRowContext(ctx, `SELECT id FROM repositories WHERE path = ?`, path).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO repositories (path, name) VALUES (?, ?) RETURNING id`, path, name).Scan(&id)
	return id, err
}
