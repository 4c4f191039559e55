package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// reconcile brings the folder back to what its drawing says after any end of
// the last process. Blobs and rows are compared, in the background, when that
// end was not clean, or when database and blobs are not from the same moment.
func (s *Store) reconcile(ctx context.Context) error {
	if err := s.emptyIncoming(); err != nil {
		return err
	}
	if err := cmp.Or(s.expireUploads(ctx), s.countDamaged(ctx)); err != nil {
		return fmt.Errorf("%s: %w", s.path(Database), err)
	}
	s.refillBallast()
	same, err := s.takeClosed()
	if err != nil {
		return err
	}
	if same {
		close(s.recounted)
		return nil
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.recounting.Go(func() {
		defer close(s.recounted)
		if s.recount(ctx) != nil {
			s.incomplete.Store(true) // the next start will try again
		}
	})
	return nil
}

// takeClosed removes what the last clean end left, and reports whether the
// database is as it was then.
func (s *Store) takeClosed() (same bool, err error) {
	content, err := os.ReadFile(s.path(closedFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	writes, err := s.db.Writes()
	if err != nil {
		return false, err
	}
	if err := os.Remove(s.path(closedFile)); err != nil {
		return false, err
	}
	return strings.TrimSpace(string(content)) == strconv.FormatInt(writes, 10), durable.SyncDir(string(s.folder))
}

// markClosed says that files and rows agree. Where it cannot be written, the
// next start compares them.
func (s *Store) markClosed() {
	if s.incomplete.Load() {
		return
	}
	// One more write: no copy of the database from before has this count.
	err := s.db.Write(context.Background(), func(*sql.Tx) error { return nil })
	var writes int64
	if err == nil {
		writes, err = s.db.Writes()
	}
	if err == nil {
		_ = durable.WriteFile(s.path(closedFile), []byte(strconv.FormatInt(writes, 10)+"\n"), 0o644)
	}
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
	return s.removeUnnamed()
}

// removeUnnamed removes files beside the database that a crash kept from getting
// their names.
func (s *Store) removeUnnamed() error {
	entries, err := os.ReadDir(s.path())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+closedFile+".") || strings.HasPrefix(e.Name(), ".probe-") {
			if err := os.Remove(s.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// recount compares every blob folder with the database. A file under its final
// name is whole: a row that a power cut took back is written again, so that the
// next import or push finds the bytes instead of moving them. A row whose file
// is missing or of the wrong size is damage.
func (s *Store) recount(ctx context.Context) error {
	folders, err := filepath.Glob(s.path(blobsDir, "*", "??"))
	for _, folder := range folders {
		if err == nil {
			err = s.recountFolder(ctx, folder)
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	return err
}

func (s *Store) recountFolder(ctx context.Context, folder string) error {
	prefix := filepath.Base(filepath.Dir(folder)) + ":" + filepath.Base(folder)
	files, err := blobFiles(folder)
	if err != nil {
		return err
	}
	rows := map[digest.Digest]int64{}
	var d digest.Digest
	var size int64
	err = each(ctx, s.db.Read, []any{&d, &size}, func() { rows[d] = size },
		`SELECT digest, size FROM blobs WHERE digest >= ? AND digest < ?`, prefix, prefix+"g")
	if err != nil {
		return err
	}
	for d, size := range rows {
		if have, there := files[d]; !there || have != size {
			if err := s.checkFile(ctx, d, size); err != nil && !errors.Is(err, registry.ErrNotFound) {
				return err
			}
		}
		delete(files, d)
	}
	return s.adopt(ctx, folder, files)
}

// blobFiles are the files of a folder that are called like blobs; others are
// not ours and left alone.
func blobFiles(folder string) (map[digest.Digest]int64, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := make(map[digest.Digest]int64, len(entries))
	for _, e := range entries {
		d, err := registry.ParseDigest(filepath.Base(filepath.Dir(folder)) + ":" + e.Name())
		if err != nil || filepath.Base(folder) != e.Name()[:2] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[d] = info.Size()
	}
	return files, nil
}

// adopt writes the rows of blobs that no repository has. They are erased in
// time unless somebody needs them.
func (s *Store) adopt(ctx context.Context, folder string, files map[digest.Digest]int64) error {
	if len(files) == 0 {
		return nil
	}
	s.content.RLock() // nobody erases what is being adopted
	defer s.content.RUnlock()
	if err := durable.SyncDir(folder); err != nil { // a row must not outlive its file's name
		return err
	}
	return s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		for d, size := range files {
			if _, err := os.Stat(s.blobPath(d)); err != nil {
				continue // erased since the folder was read
			}
			if err := insertUnlinked(ctx, tx, d, size); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertUnlinked writes the row of a blob that no repository has.
func insertUnlinked(ctx context.Context, tx *sql.Tx, d digest.Digest, size int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO blobs (digest, size, created_at, unlinked_at) VALUES (?1, ?2, ?3, ?3)
		ON CONFLICT DO NOTHING`, d.String(), size, now())
	return err
}
