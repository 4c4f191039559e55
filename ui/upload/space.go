package upload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
)

// usage is what uploads take.
type usage struct {
	open, bytes int64
	pending     int64 // bytes that will be written and have no room set aside; of all only
}

// usageOf adds up the uploads of all, and those of an owner: one look at one index.
func usageOf(ctx context.Context, tx *sql.Tx, owner string) (all, own usage, err error) {
	const pending = `CASE WHEN state <> 'receiving' THEN 0 WHEN reserved > received THEN length - reserved ELSE length - received END`
	err = tx.QueryRowContext(ctx, `SELECT
		COALESCE(SUM(CASE WHEN state = 'receiving' THEN 1 END), 0), COALESCE(SUM(length), 0), COALESCE(SUM(`+pending+`), 0),
		COALESCE(SUM(CASE WHEN owner = ?1 AND state = 'receiving' THEN 1 END), 0), COALESCE(SUM(CASE WHEN owner = ?1 THEN length END), 0)
		FROM upload_files WHERE state IN ('receiving', 'checking', 'whole')`, owner).
		Scan(&all.open, &all.bytes, &all.pending, &own.open, &own.bytes)
	return all, own, err
}

// admits checks that there is room for an upload before it is made.
func (u *Uploads) admits(ctx context.Context, tx *sql.Tx, rec *record) error {
	o, l := u.options, u.limits.Load()
	all, own, err := usageOf(ctx, tx, rec.Owner)
	if err != nil {
		return err
	}
	switch {
	case all.open >= int64(o.MaxOpen):
		return tooMany("%d uploads are unfinished; no more are taken", all.open)
	case own.open >= int64(o.MaxOpenByOwner):
		return tooMany("%d uploads of yours are unfinished; finish or delete some", own.open)
	case l.Quota > 0 && rec.Size > l.Quota-all.bytes:
		return noSpace("%s more exceed the quota for all uploads, %s: %s are used", rec.Size, l.Quota, all.bytes)
	case l.OwnerQuota > 0 && rec.Size > l.OwnerQuota-own.bytes:
		return noSpace("%s more exceed your quota for uploads, %s: %s are used", rec.Size, l.OwnerQuota, own.bytes)
	}
	return u.fits(rec.Size, all.pending)
}

// fits compares bytes that will be written with what the disk has free. The one
// percent is for the file system's own.
func (u *Uploads) fits(bytes, pending int64) error {
	free, err := durable.Free(u.folder)
	if err != nil {
		return err
	}
	room := free - u.limits.Load().KeepFree - pending
	if bytes > room || bytes/100 > room-bytes {
		return noSpace("%s are needed; the disk has %s free, of which %s are for other uploads and what has to stay free", bytes, free, free-max(room, 0))
	}
	return nil
}

// noSpace says so; the format takes sizes.
func noSpace(format string, sizes ...int64) error {
	var texts []any
	for _, n := range sizes {
		texts = append(texts, units.Bytes(n))
	}
	return &refusal{http.StatusInsufficientStorage, "no_space", fmt.Sprintf(format, texts...), 0}
}

// allocate sets room aside in a region of a file, which gets at least its length, and
// reports whether the file system can do so.
func allocate(f *os.File, offset, size int64) (bool, error) {
	err := error(syscall.EINTR)
	for size > 0 && errors.Is(err, syscall.EINTR) {
		err = syscall.Fallocate(int(f.Fd()), 0, offset, size)
	}
	switch {
	case size == 0:
		return true, nil
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		info, err := f.Stat()
		if err == nil && info.Size() < offset+size {
			err = f.Truncate(offset + size)
		}
		return false, err
	}
	return err == nil, os.NewSyscallError("fallocate "+f.Name(), err)
}
