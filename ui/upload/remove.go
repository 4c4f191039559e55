package upload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// remove answers DELETE. What a job works with stays.
func (u *Uploads) remove(ctx context.Context, c caller, id string) error {
	rec, err := u.findAny(ctx, c, id)
	if err != nil {
		return err
	}
	release, err := u.take(ctx, rec.ID, nil)
	if err != nil {
		return err
	}
	defer release()
	return u.forget(ctx, u.write, id, func(tx *sql.Tx, rec *record) error {
		if rec.Job != "" {
			return fmt.Errorf("upload %s: %w: job %s works with it", id, registry.ErrConflict, rec.Job)
		}
		return u.enter(ctx, tx, "upload.delete", rec, "")
	})
}

// expire removes an upload that had expired at a time. A power cut may bring its
// record back, which expires again.
func (u *Uploads) expire(ctx context.Context, id string, now time.Time) error {
	release, err := u.take(ctx, id, nil)
	if err != nil {
		return err
	}
	defer release()
	err = u.forget(ctx, u.db.WriteSoon, id, func(tx *sql.Tx, rec *record) error {
		if rec.Job != "" || rec.Expires.After(now) {
			return errUnwanted
		}
		return u.enter(ctx, tx, "upload.expire", rec, "")
	})
	if errors.Is(err, errUnwanted) || errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// forget removes an upload with its record, unless agree has something against it.
// The caller has its turn.
func (u *Uploads) forget(ctx context.Context, write transaction, id string, agree func(tx *sql.Tx, rec *record) error) error {
	var rec *record
	var shared bool
	err := write(context.WithoutCancel(ctx), func(tx *sql.Tx) (err error) {
		if rec, err = get(ctx, tx, id); err != nil {
			return err
		}
		if shared, err = drop(ctx, tx, rec); err != nil {
			return err
		}
		return agree(tx, rec)
	})
	if err != nil {
		return err
	}
	os.Remove(u.notePath(id))
	if !shared {
		os.Remove(u.dataPath(rec.file))
	}
	for _, p := range rec.places {
		if p.File != rec.file {
			os.Remove(u.dataPath(p.File))
		}
	}
	rec.State = Gone
	u.tell(rec)
	return nil
}

type transaction func(context.Context, func(*sql.Tx) error) error

var errUnwanted = errors.New("it changed meanwhile")

// drop deletes a record, and tells whether others use its data file.
func drop(ctx context.Context, tx *sql.Tx, rec *record) (shared bool, err error) {
	if _, err := tx.ExecContext(ctx, `DELETE FROM upload_files WHERE id = ?`, rec.ID); err != nil {
		return false, err
	}
	n := 0
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM upload_files WHERE file = ?`, rec.file).Scan(&n)
	return n > 0, err
}
