package store

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// ballastSize is the room that is kept for freeing room: removing things
// writes to the database first. A disk gets it that has many times as much.
const (
	ballastSize  = 32 << 20
	ballastShare = 16
)

// refillBallast takes the room back when there is enough. Without it the
// store works, too, so nothing is said.
func (s *Store) refillBallast() {
	s.ballastMu.Lock()
	defer s.ballastMu.Unlock()
	path := s.path(ballastFile)
	if info, err := os.Stat(path); err == nil && info.Size() == ballastSize {
		return
	}
	if free, err := durable.Free(string(s.folder)); err != nil || free < ballastShare*ballastSize {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if durable.Allocate(f, ballastSize) != nil {
		os.Remove(path)
	}
}

// dropBallast reports whether that gave room.
func (s *Store) dropBallast() bool {
	s.ballastMu.Lock()
	defer s.ballastMu.Unlock()
	return os.Remove(s.path(ballastFile)) == nil
}

// writeAnyway is for transactions that lead to more room: on a full disk they
// take the ballast's. fn may run twice.
func (s *Store) writeAnyway(ctx context.Context, write transaction, fn func(*sql.Tx) error) error {
	err := registry.DiskError(write(ctx, fn))
	if errors.Is(err, registry.ErrNoSpace) && s.dropBallast() {
		err = registry.DiskError(write(ctx, fn))
	}
	return err
}
