package upload

import (
	"context"
	"database/sql"
	"encoding"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// joinSaveEvery is after how many bytes a join is saved: it goes on from there
// after a crash.
const joinSaveEvery = 256 << 20

// joining is a final upload whose parts become one file.
type joining struct {
	uploads *Uploads
	rec     *record // Offset is what was saved
	file    *os.File
	hash    hash.Hash
	at      int64
}

// join brings the parts of a final upload into its file, hashes what was not, and
// removes the files of parts once their bytes are durable in the other. Interrupted,
// it goes on.
func (u *Uploads) join(ctx context.Context, rec *record) error {
	f, err := os.OpenFile(u.dataPath(rec.file), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	j := &joining{uploads: u, rec: rec, file: f, at: rec.Offset}
	if j.hash, err = restoreHash(ctx, rec, f); err != nil {
		return err
	}
	end := int64(0)
	for _, p := range rec.places {
		if end += p.Length; j.at < end {
			if err = j.take(ctx, p, end); err != nil {
				return registry.DiskError(err) // it goes on where it was saved
			}
		}
		if p.File != rec.file {
			if err := j.save(); err != nil {
				return registry.DiskError(err)
			}
			os.Remove(u.dataPath(p.File))
		}
	}
	return registry.DiskError(j.save())
}

// take takes the rest of one part, which ends at end.
func (j *joining) take(ctx context.Context, p place, end int64) error {
	if p.File == j.rec.file {
		return j.each(end, func(n int64) error {
			return durable.Copy(ctx, hashing{j, ctx}, io.NewSectionReader(j.file, j.at, n))
		})
	}
	from, err := os.Open(j.uploads.dataPath(p.File))
	if err != nil {
		return err
	}
	defer from.Close()
	w := durable.NewWriter(j.file, j.at)
	return j.each(end, func(n int64) error {
		start := j.at - (end - p.Length)
		return w.Fill(ctx, io.NewSectionReader(from, start, n), j.hash, j.advance)
	})
}

// each does something with so many bytes at a time, and saves in between.
func (j *joining) each(end int64, do func(n int64) error) error {
	for j.at < end {
		before := j.at
		if err := do(min(end-j.at, joinSaveEvery)); err != nil {
			return err
		}
		if j.at == before {
			return io.ErrUnexpectedEOF
		}
		if err := j.save(); err != nil {
			return err
		}
	}
	return nil
}

func (j *joining) advance(n int) error {
	j.at += int64(n)
	now := record{Upload: j.rec.Upload}
	now.Offset = j.at
	j.uploads.tellProgress(&now)
	return nil
}

// hashing hashes what is in its place already.
type hashing struct {
	*joining
	ctx context.Context //nolint:containedctx // of the copy that writes to it
}

func (h hashing) Write(p []byte) (int, error) {
	n, _ := h.hash.Write(p)
	return n, errors.Join(h.advance(n), context.Cause(h.ctx))
}

// save makes how far the join is durable.
func (j *joining) save() error {
	if j.at == j.rec.Offset {
		return nil
	}
	state, err := j.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	if err := durable.Sync(j.file); err != nil {
		return err
	}
	err = j.uploads.write(j.uploads.ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE upload_files SET received = ?, hash = ?, expires_at = ? WHERE id = ? AND state = ?`,
			j.at, state, j.uploads.expiry().UnixMilli(), j.rec.ID, Checking)
		return err
	})
	if err == nil {
		j.rec.Offset, j.rec.hash = j.at, state
	}
	return err
}
