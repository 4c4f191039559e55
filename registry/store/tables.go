package store

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
)

// tables remembers what others keep in the database beside the store.
type tables struct {
	mu    sync.Mutex // protects prune
	prune []string
}

func (t *tables) pruned() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.prune)
}

// Tables gives another package, the owner, tables of its own in the store's
// database, so that what it writes can be one transaction with what the store
// does, and is in the store's backups. The migrations are brought up to date now.
// prune are SQL statements that take from a backup what is only of use here. The
// tables of the store itself are not for others.
func (s *Store) Tables(ctx context.Context, owner string, migrations fs.FS, prune ...string) (*sqldb.DB, error) {
	if _, err := s.db.Tables(ctx, owner, migrations); err != nil {
		return nil, fmt.Errorf("store %s: %w", s.folder, registry.DiskError(err))
	}
	s.tables.mu.Lock()
	defer s.tables.mu.Unlock()
	s.tables.prune = append(s.tables.prune, prune...)
	return s.db, nil
}
