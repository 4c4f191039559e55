package upload

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sweepEvery is the time between two looks for what has expired, and for checks
// that could not be made.
const sweepEvery = time.Minute

// Keep goes on with what the end of the process interrupted, tells OnWhole of what
// no job has bound, and then removes what has expired, until ctx ends.
func (u *Uploads) Keep(ctx context.Context) {
	u.announce(ctx)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		u.sweep(ctx, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (u *Uploads) announce(ctx context.Context) {
	found, err := list(ctx, u.db.Read, `state = ? AND job = '' ORDER BY created_at`, Whole)
	if err != nil {
		u.log.ErrorContext(ctx, "uploads cannot be listed", "error", err)
	}
	for _, rec := range found {
		if u.options.OnWhole != nil {
			u.options.OnWhole(ctx, u.file(rec))
		}
	}
}

// sweep checks what nobody checks, and removes what had expired at a time.
func (u *Uploads) sweep(ctx context.Context, now time.Time) {
	ready, err := list(ctx, u.db.Read, `state = ? OR state = ? AND received = length AND concat = ''`, Checking, Receiving)
	if err == nil {
		for _, rec := range ready {
			if !u.underWay(rec.ID) {
				u.checkBehind(ctx, rec.ID)
			}
		}
	}
	old, listErr := list(ctx, u.db.Read, `expires_at < ? AND job = '' AND state <> ?`, now.UnixMilli(), Checking)
	for _, rec := range old {
		if ctx.Err() != nil {
			return
		}
		err = errors.Join(err, u.expire(ctx, rec.ID, now))
	}
	if err = errors.Join(err, listErr); err != nil && ctx.Err() == nil {
		u.log.ErrorContext(ctx, "uploads are not in order", "error", err)
	}
}

// underWay reports whether somebody works on an upload.
func (u *Uploads) underWay(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.turns[id] != nil
}

// reconcile brings folder and records together after a crash: files that belong to
// no upload are removed, uploads whose bytes are gone begin again.
func (u *Uploads) reconcile(ctx context.Context) error {
	sizes, err := u.files()
	if err != nil {
		return err
	}
	all, err := list(ctx, u.db.Read, `TRUE`)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	// The transaction makes durable, too, what was to become so soon.
	err = u.write(ctx, func(tx *sql.Tx) error {
		for _, rec := range all {
			if err := u.reconcileOne(ctx, tx, rec, sizes, used); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name := range sizes {
		if !used[name] {
			os.Remove(filepath.Join(u.folder, name))
		}
	}
	return nil
}

// files lists what this package has in the folder, with sizes.
func (u *Uploads) files() (map[string]int64, error) {
	entries, err := os.ReadDir(u.folder)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, dataSuffix) || strings.HasSuffix(name, noteSuffix) {
			info, err := e.Info()
			if err != nil {
				return nil, err
			}
			sizes[name] = info.Size()
		}
	}
	return sizes, nil
}

// reconcileOne notes which files an upload uses, and what has to become of it when
// they are not there.
func (u *Uploads) reconcileOne(ctx context.Context, tx *sql.Tx, rec *record, sizes map[string]int64, used map[string]bool) error {
	data := rec.file + dataSuffix
	has := func(n int64) bool {
		size, ok := sizes[data]
		return ok && size >= n
	}
	switch rec.State {
	case Receiving:
		_, exists := sizes[data]
		used[data], used[rec.ID+noteSuffix] = true, exists
		if (rec.Offset == 0 && rec.reserved == 0) || has(rec.base+rec.Offset) {
			return nil
		}
		used[rec.ID+noteSuffix] = false
		_, err := tx.ExecContext(ctx, `UPDATE upload_files SET received = 0, hash = NULL, reserved = 0 WHERE id = ?`, rec.ID)
		return err
	case Checking, Whole:
		used[data] = true
		ok := has(rec.Offset)
		end := int64(0)
		for _, p := range rec.places {
			used[p.File+dataSuffix] = rec.State == Checking || p.File == rec.file
			if end += p.Length; rec.State == Checking && end > rec.Offset && sizes[p.File+dataSuffix] < p.Length {
				ok = false
			}
		}
		if ok {
			return nil
		}
		from := rec.State
		rec.State, rec.Reason, rec.ReasonKind, rec.Job, rec.Expires = Failed, "its file is gone from the appliance's disk", "failed", "", u.expiry()
		return errors.Join(moveTo(ctx, tx, rec, from), u.enter(ctx, tx, "upload.finish", rec, "failed"))
	}
	return nil
}
