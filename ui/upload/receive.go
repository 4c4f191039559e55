package upload

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// Savepoints come after so many bytes or some time: that is what a power cut costs.
const (
	saveEvery   = 16 << 20
	saveAtLeast = time.Second
)

// receive appends a request's body to an upload, from offset on, and checks the
// upload when it has all its bytes. The record that it returns, if any, is how the
// upload is now.
func (u *Uploads) receive(w http.ResponseWriter, r *http.Request, rec *record, offset int64) (*record, error) {
	sum, err := parseChecksum(r.Header.Get(headerChecksum))
	if err != nil {
		return nil, err
	}
	b := newBody(w, r, u.options.Idle)
	release, err := u.take(r.Context(), rec.ID, b.stop)
	if err != nil {
		return nil, err
	}
	defer release()
	leave, err := u.admit(rec.Owner)
	if err != nil {
		return nil, err
	}
	defer leave()
	if rec, err = get(r.Context(), u.db.Read, rec.ID); err != nil {
		return nil, err
	}
	if rec.State == Failed {
		return nil, gone(rec)
	}
	if err := u.recover(r.Context(), rec); err != nil {
		return nil, err
	}
	if b.left = rec.Size - rec.Offset; offset != rec.Offset {
		return rec, &refusal{http.StatusConflict, "conflict", fmt.Sprintf("the upload holds %d bytes, these start at %d", rec.Offset, offset), 0}
	}
	if r.ContentLength > b.left {
		return rec, errTooLong
	}
	if err = u.append(r.Context(), rec, &incoming{b, sum, newReporter(w, r, rec.Offset)}); err != nil || rec.State != Receiving || rec.open() {
		return rec, err
	}
	b.end()
	return rec, u.settle(context.WithoutCancel(r.Context()), rec)
}

// receiver writes the bytes of one request.
type receiver struct {
	uploads *Uploads
	rec     *record // Offset is what was saved
	file    *os.File
	note    *note
	hash    hash.Hash      // nil when nobody wants to know
	all     bool           // nothing counts before the end
	at      int64          // so many bytes of the upload were written and hashed
	saving  chan savepoint // gets one when a save under way has ended; nil: none is
	savedAt time.Time

	reporter *reporter // nil when nobody asked
}

// savepoint is where an upload was saved, unless there is an error.
type savepoint struct {
	at    int64
	state []byte
	err   error
}

// lostError is a sync that failed: nobody knows which bytes are on the disk.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// incoming are the bytes of one request.
type incoming struct {
	*body
	sum      *checksum // of all of them; nil when nobody said
	reporter *reporter // nil when nobody asked
}

// append writes what a request has. What came before it failed counts, unless it is
// of a checksum that cannot be checked now, or too much.
func (u *Uploads) append(ctx context.Context, rec *record, in *incoming) error {
	if rec.State != Receiving {
		_, err := in.Read(make([]byte, 1))
		return endOf(err)
	}
	v, err := u.newReceiver(ctx, rec)
	if err != nil {
		return u.restartIfLost(ctx, rec, err)
	}
	defer v.close()
	var hashes []io.Writer
	if v.hash != nil {
		hashes = append(hashes, v.hash)
	}
	if in.sum != nil {
		v.all, hashes = true, append(hashes, in.sum)
	}
	v.reporter = in.reporter
	w := durable.NewWriter(v.file, rec.base+rec.Offset)
	w.Hurry(saveAtLeast)
	err = w.Fill(ctx, in, io.MultiWriter(hashes...), v.advance)
	if err == nil && in.sum != nil && !in.sum.matches() {
		err = errChecksum
	}
	err = u.restartIfLost(ctx, rec, v.end(err))
	u.tellProgress(rec)
	return err
}

// endOf is nil at the end of a body.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// newReceiver opens the files of an upload.
func (u *Uploads) newReceiver(ctx context.Context, rec *record) (*receiver, error) {
	v := &receiver{uploads: u, rec: rec, at: rec.Offset, savedAt: time.Now()}
	var err error
	if v.file, err = u.openData(ctx, rec); err != nil {
		return nil, err
	}
	if v.note, err = openNote(u.notePath(rec.ID), u.boot); err != nil {
		v.file.Close()
		return nil, err
	}
	v.note.at = rec.Offset
	if rec.hashed() {
		if v.hash, err = restoreHash(ctx, rec, v.file); err != nil {
			v.close()
			return nil, err
		}
	}
	return v, nil
}

func (v *receiver) close() {
	v.file.Close()
	v.note.close()
}

// advance counts what was written and hashed.
func (v *receiver) advance(n int) error {
	v.at += int64(n)
	if v.all {
		return nil
	}
	if err := v.note.set(v.at); err != nil {
		return err
	}
	v.reporter.report(v.at)
	select {
	case s := <-v.saving:
		if err := v.keep(s); err != nil {
			return err
		}
	default:
	}
	if v.saving == nil && (v.at-v.rec.Offset >= saveEvery || time.Since(v.savedAt) >= saveAtLeast) {
		s, err := v.savepoint()
		if err != nil {
			return err
		}
		v.saving = make(chan savepoint, 1)
		go func() { v.saving <- v.save(s) }()
	}
	return nil
}

// savepoint is where the upload is now.
func (v *receiver) savepoint() (s savepoint, err error) {
	s.at = v.at
	if v.hash != nil {
		s.state, err = v.hash.(encoding.BinaryMarshaler).MarshalBinary()
	}
	return s, err
}

// save makes a savepoint durable: bytes first.
func (v *receiver) save(s savepoint) savepoint {
	if s.err = durable.Sync(v.file); s.err != nil {
		s.err = lostError{s.err}
		return s
	}
	s.err = v.uploads.saveOffset(v.rec, s)
	return s
}

// keep takes up what a save did.
func (v *receiver) keep(s savepoint) error {
	v.saving, v.savedAt = nil, time.Now()
	if s.err != nil {
		return s.err
	}
	v.rec.Offset, v.rec.hash = s.at, s.state
	v.rec.Expires = v.uploads.expiry()
	v.uploads.tellProgress(v.rec)
	return nil
}

// end saves what counts, after an error or none.
func (v *receiver) end(err error) error {
	if v.saving != nil {
		if saveErr := v.keep(<-v.saving); saveErr != nil {
			return cmp.Or(saveErr, err)
		}
	}
	if errors.Is(err, errTooLong) || v.all && err != nil {
		return errors.Join(err, v.note.put(v.rec.Offset))
	}
	// After an error that is not the body's the hash may be ahead of the file.
	if v.at == v.rec.Offset || err != nil && !ofBody(err) {
		return err
	}
	s, stateErr := v.savepoint()
	if stateErr != nil {
		return stateErr
	}
	return cmp.Or(v.keep(v.save(s)), err)
}

// ofBody reports whether an error says why no more bytes came.
func ofBody(err error) bool {
	r := (*refusal)(nil)
	return errors.As(err, &r) || errors.Is(err, context.Canceled)
}

// saveOffset writes how far an upload is durably. While one part of a file comes,
// the others do not expire.
func (u *Uploads) saveOffset(rec *record, s savepoint) error {
	return u.write(u.ctx, func(tx *sql.Tx) error {
		done, err := tx.Exec(`UPDATE upload_files SET received = ?, hash = ? WHERE id = ? AND state = ?`, s.at, s.state, rec.ID, Receiving)
		if err == nil {
			_, err = tx.Exec(`UPDATE upload_files SET expires_at = ? WHERE file = ?`, u.expiry().UnixMilli(), rec.file)
		}
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("upload %s: %w: it is being received no more", rec.ID, registry.ErrConflict))
		}
		return nil
	})
}

// expiry is when an unfinished upload expires whose last byte came now.
func (u *Uploads) expiry() time.Time { return time.Now().Add(u.limits.Load().Expiry) }

// openData opens an upload's data file, which is made, and room set aside for it,
// before the first byte.
func (u *Uploads) openData(ctx context.Context, rec *record) (*os.File, error) {
	flag := os.O_RDWR
	if rec.Offset == 0 {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(u.dataPath(rec.file), flag, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, lostError{err}
	}
	if err != nil || rec.reserved == rec.Size {
		return f, err
	}
	if err = u.reserve(ctx, rec, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// reserve sets room aside for an upload in its data file, whose name becomes durable.
func (u *Uploads) reserve(ctx context.Context, rec *record, f *os.File) error {
	done, err := allocate(f, rec.base, rec.Size)
	if err != nil {
		return err
	}
	if err := durable.SyncDir(u.folder); err != nil || !done {
		return err
	}
	rec.reserved = rec.Size
	return u.db.WriteSoon(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE upload_files SET reserved = length WHERE id = ?`, rec.ID)
		return err
	})
}

// restoreHash is the hash of what an upload has. It is read again where no state
// was kept, or by a program that hashes otherwise.
func restoreHash(ctx context.Context, rec *record, f *os.File) (hash.Hash, error) {
	h := sha256.New()
	if rec.Offset == 0 {
		return h, nil
	}
	if h.(encoding.BinaryUnmarshaler).UnmarshalBinary(rec.hash) == nil {
		return h, nil
	}
	h.Reset()
	return h, hashAgain(ctx, h, f, rec.base, rec.Offset)
}

// hashAgain hashes n bytes of a file that have to be there.
func hashAgain(ctx context.Context, h io.Writer, f *os.File, offset, n int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < offset+n {
		return lostError{fmt.Errorf("%s: %w", f.Name(), io.ErrUnexpectedEOF)}
	}
	return durable.Copy(ctx, h, io.NewSectionReader(f, offset, n))
}

// recover takes an upload to where it was written before the process ended, if the
// machine has not been started again since. The caller has its turn.
func (u *Uploads) recover(ctx context.Context, rec *record) error {
	if rec.State != Receiving {
		return nil
	}
	at, err := readNote(u.notePath(rec.ID), u.boot)
	if err != nil || at <= rec.Offset || at > rec.Size {
		return err
	}
	v, err := u.newReceiver(ctx, rec)
	if err != nil {
		return registry.DiskError(err)
	}
	defer v.close()
	if v.hash != nil {
		err = hashAgain(ctx, v.hash, v.file, rec.base+rec.Offset, at-rec.Offset)
	}
	if err == nil {
		v.at = at
		err = v.end(nil)
	}
	if err = u.restartIfLost(ctx, rec, err); errors.Is(err, errLost) {
		err = nil // at 0 it is where it is
	}
	return err
}

// restartIfLost takes the uploads of a data file back to their beginning when an
// error says that its bytes are lost; a client learns that from the offset.
func (u *Uploads) restartIfLost(ctx context.Context, rec *record, err error) error {
	if lost := (lostError{}); !errors.As(err, &lost) {
		return registry.DiskError(err)
	}
	u.log.ErrorContext(ctx, "the bytes of an upload are lost; it begins again", "upload", rec.ID, "error", err)
	return cmp.Or(u.restart(ctx, rec), error(errLost))
}

// restart takes the uploads of a data file back to their beginning.
func (u *Uploads) restart(ctx context.Context, rec *record) error {
	group, err := list(ctx, u.db.Read, `file = ?`, rec.file)
	if err != nil {
		return err
	}
	for _, r := range group {
		os.Remove(u.notePath(r.ID))
	}
	os.Remove(u.dataPath(rec.file))
	rec.Offset, rec.hash, rec.reserved = 0, nil, 0
	return u.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE upload_files SET received = 0, hash = NULL, reserved = 0 WHERE file = ? AND state = ?`, rec.file, Receiving)
		return err
	})
}
