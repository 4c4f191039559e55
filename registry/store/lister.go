package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/landfall-dev/landfall/registry"
)

// page is how many names one query of a listing returns: a slow reader of a
// listing holds no transaction open.
const page = 1000

// Repositories implements registry.Lister: original names, of the
// repositories that hold a manifest.
func (s *Store) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	return s.repositories(ctx, "name", after)
}

// RepositoryPaths is Repositories by the paths under which they are served.
func (s *Store) RepositoryPaths(ctx context.Context, after string) iter.Seq2[string, error] {
	return s.repositories(ctx, "path", after)
}

func (s *Store) repositories(ctx context.Context, column, after string) iter.Seq2[string, error] {
	return s.list(after, func(after string) (*sql.Rows, error) {
		return s.db.Read.QueryContext(ctx, `SELECT `+column+` FROM repositories r WHERE `+column+` > ?
			AND EXISTS (SELECT 1 FROM repository_manifests rm WHERE rm.repository_id = r.id)
			ORDER BY `+column+` LIMIT ?`, after, page)
	})
}

// Tags implements registry.Lister.
func (s *Store) Tags(ctx context.Context, repository, after string) iter.Seq2[string, error] {
	path := registry.RepositoryPath(repository)
	var id int64
	err := s.db.Read.QueryRowContext(ctx, `SELECT id FROM repositories WHERE path = ?`, path).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("repository %s: %w", repository, registry.ErrNotFound)
	}
	if err != nil {
		return registry.NoNames(err)
	}
	return s.list(after, func(after string) (*sql.Rows, error) {
		return s.db.Read.QueryContext(ctx, `SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?`, id, after, page)
	})
}

// list yields names page by page.
func (s *Store) list(after string, query func(after string) (*sql.Rows, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for last := after; ; {
			names, err := readNames(query(last))
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if len(names) < page {
				return
			}
			last = names[len(names)-1]
		}
	}
}

func readNames(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
