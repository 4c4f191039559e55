package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// Upload is a session in which the bytes of one blob arrive in pieces. One
// Append runs at a time; Size never waits for it. It survives the end of the
// process, see savepoint.go.
type Upload struct {
	store      *Store
	id         string
	repository string
	algorithm  digest.Algorithm
	size       atomic.Int64
	advanced   func() // told of what has come to be in the file; nil: nobody

	writing sync.Mutex      // held by Append, Commit and Cancel; protects the fields below
	file    *os.File        // nil after the end of the session
	writer  *durable.Writer // at the end of file, once hash is there
	hash    hash.Hash       // nil until the first Append
	hashed  int64           // how many bytes hash has seen
	saved   savepoint
	lost    bool // a sync failed: nobody knows which bytes are on the disk
}

// hurried is how long bytes of a blob that is fetched wait for others before they
// are written: those are what the end of the process would lose.
const hurried = 25 * time.Millisecond

// OffsetError is an ErrInvalid: the bytes that were offered do not start where
// the session ends.
type OffsetError struct{ Size, Offset int64 }

func (e *OffsetError) Error() string {
	return fmt.Sprintf("upload holds %d bytes, the next piece starts at %d", e.Size, e.Offset)
}

// Is makes the error an ErrInvalid.
func (e *OffsetError) Is(target error) bool { return target == registry.ErrInvalid }

// StartUpload opens a session. The algorithm is what the client will most
// likely commit with; another costs one more read of the bytes.
func (s *Store) StartUpload(ctx context.Context, repository string, algorithm digest.Algorithm) (*Upload, error) {
	return s.startUpload(ctx, repository, algorithm, "")
}

// startUpload is StartUpload of a blob that may be known already.
func (s *Store) startUpload(ctx context.Context, repository string, algorithm digest.Algorithm, of digest.Digest) (*Upload, error) {
	if err := s.expireRested(ctx); err != nil {
		return nil, err
	}
	var raw [16]byte
	rand.Read(raw[:])
	u := &Upload{store: s, id: hex.EncodeToString(raw[:]), repository: registry.RepositoryPath(repository), algorithm: algorithm}
	if !registry.ValidRepositoryPath(u.repository) {
		return nil, fmt.Errorf("%w: repository %q", registry.ErrInvalid, repository)
	}
	s.uploadsMu.Lock() // a file without its row must not be taken for a dead session
	defer s.uploadsMu.Unlock()
	var err error
	if u.file, err = os.OpenFile(s.path(uploadsDir, u.id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return nil, named("upload", err)
	}
	err = s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO uploads (id, repository, algorithm, created_at, digest, boot) VALUES (?, ?, ?, ?, ?, ?)`,
			u.id, u.repository, algorithm.String(), now(), of.String(), boot())
		return err
	})
	if err != nil {
		u.file.Close()
		os.Remove(u.file.Name())
		return nil, named("upload", err)
	}
	s.uploads[u.id] = u
	return u, nil
}

// Upload finds a session of a repository, ErrNotFound when there is none.
func (s *Store) Upload(ctx context.Context, repository, id string) (*Upload, error) {
	s.uploadsMu.Lock()
	defer s.uploadsMu.Unlock()
	u := s.uploads[id]
	if u == nil {
		var err error
		if u, err = s.reopenUpload(ctx, id); err != nil {
			return nil, fmt.Errorf("upload %s: %w", id, err)
		}
		s.uploads[id] = u
	}
	if u.repository != registry.RepositoryPath(repository) {
		return nil, fmt.Errorf("upload %s: %w in %s", id, registry.ErrNotFound, repository)
	}
	return u, nil
}

// ID names the session within the store.
func (u *Upload) ID() string { return u.id }

// Size is how many bytes have arrived.
func (u *Upload) Size() int64 { return u.size.Load() }

// Append writes what r has at the session's end. An offset that is not the
// session's size is an *OffsetError, another Append under way ErrConflict.
// What arrived before r failed is kept; r's error is returned as it is.
func (u *Upload) Append(ctx context.Context, offset int64, r io.Reader) (int64, error) {
	if !u.writing.TryLock() {
		return u.Size(), fmt.Errorf("upload %s: %w: another request writes to it", u.id, registry.ErrConflict)
	}
	defer u.writing.Unlock()
	if u.file == nil {
		return 0, fmt.Errorf("upload %s: %w", u.id, registry.ErrNotFound)
	}
	if offset != u.Size() {
		return u.Size(), &OffsetError{u.Size(), offset}
	}
	if err := u.catchUp(ctx, u.algorithm); err != nil {
		return u.Size(), err
	}
	if u.advanced != nil {
		u.writer.Hurry(hurried)
	}
	err := u.writer.Fill(ctx, r, (*uploadHash)(u), u.advance)
	if u.lost {
		return u.Size(), registry.DiskError(errors.Join(err, u.end(context.WithoutCancel(ctx), false)))
	}
	saveErr := u.save(false)
	return u.Size(), registry.DiskError(cmp.Or(err, saveErr))
}

// uploadHash hashes and counts what is being written.
type uploadHash Upload

func (w *uploadHash) Write(p []byte) (int, error) {
	w.hashed += int64(len(p))
	return w.hash.Write(p)
}

// advance counts what was written and hashed.
func (u *Upload) advance(n int) error {
	u.size.Add(int64(n))
	if u.advanced != nil {
		u.advanced()
	}
	return u.saveNowAndThen()
}

// catchUp makes the hash cover all bytes, and no others, after a write that
// failed or for an algorithm that was not announced.
func (u *Upload) catchUp(ctx context.Context, algorithm digest.Algorithm) error {
	if u.hash != nil && u.algorithm == algorithm && u.hashed == u.Size() && u.writer.Offset() == u.Size() {
		return nil
	}
	if err := u.file.Truncate(u.Size()); err != nil {
		return registry.DiskError(err)
	}
	u.algorithm, u.hash, u.hashed = algorithm, algorithm.Hash(), 0
	if err := durable.Copy(ctx, u.hash, io.NewSectionReader(u.file, 0, u.Size())); err != nil {
		return err
	}
	u.hashed, u.writer = u.Size(), durable.NewWriter(u.file, u.Size())
	return nil
}

// Commit ends the session: its bytes are the blob d of the repository, durable
// when it returns. Bytes that are something else are ErrDigest, and the session
// stays; after any other failure of the disk it is gone.
func (u *Upload) Commit(ctx context.Context, d digest.Digest) (int64, error) {
	if !u.writing.TryLock() {
		return 0, fmt.Errorf("upload %s: %w: another request writes to it", u.id, registry.ErrConflict)
	}
	defer u.writing.Unlock()
	if u.file == nil {
		return 0, fmt.Errorf("upload %s: %w", u.id, registry.ErrNotFound)
	}
	if _, err := registry.ParseDigest(d.String()); err != nil {
		return 0, err
	}
	if err := u.catchUp(ctx, d.Algorithm()); err != nil {
		return 0, err
	}
	if got := digest.NewDigest(u.algorithm, u.hash); got != d {
		return 0, fmt.Errorf("upload %s: %w: the bytes are %s, not %s", u.id, registry.ErrDigest, got, d)
	}
	ctx = context.WithoutCancel(ctx) // a client that leaves now must not stop it half-way
	a := &arrival{digest: d, size: u.Size(), file: u.file}
	err := u.store.land(ctx, []*arrival{a}, link{u.repository, d, a.size})
	// If it went well, the file is a blob's now. If not, it cannot be tried
	// again: after a sync that failed the next one succeeds although bytes are
	// lost.
	endErr := u.end(ctx, a.settled)
	return a.size, named("upload "+u.id, cmp.Or(err, endErr))
}

// Cancel ends the session and forgets its bytes.
func (u *Upload) Cancel(ctx context.Context) error {
	if !u.writing.TryLock() {
		return fmt.Errorf("upload %s: %w: another request writes to it", u.id, registry.ErrConflict)
	}
	defer u.writing.Unlock()
	if u.file == nil {
		return fmt.Errorf("upload %s: %w", u.id, registry.ErrNotFound)
	}
	return u.end(ctx, false)
}

// end removes all traces of the session; the caller holds writing.
func (u *Upload) end(ctx context.Context, settled bool) error {
	u.file.Close()
	if !settled {
		os.Remove(u.file.Name())
	}
	u.file = nil
	u.store.uploadsMu.Lock()
	delete(u.store.uploads, u.id)
	u.store.uploadsMu.Unlock()
	return u.store.deleteUploadRow(ctx, u.id)
}

func (s *Store) deleteUploadRow(ctx context.Context, id string) error {
	err := s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM uploads WHERE id = ?`, id)
		return err
	})
	return named("upload "+id, err)
}

// closeUploads lets go of the sessions' files; the sessions stay.
func (s *Store) closeUploads() {
	s.uploadsMu.Lock()
	open := slices.Collect(maps.Values(s.uploads))
	clear(s.uploads)
	s.uploadsMu.Unlock()
	for _, u := range open {
		u.writing.Lock()
		if u.file != nil {
			_ = u.save(true) // where it cannot be, the session is where it was saved before
			u.file.Close()
			u.file = nil
		}
		u.writing.Unlock()
	}
}

// expiryEvery is how often a running store looks for sessions that rested too
// long.
const expiryEvery = time.Hour

// transferExpiry is for how long what came of a blob is kept that this side
// fetches itself: some links are there for an hour a day, or on workdays.
const transferExpiry = 14 * 24 * time.Hour

// expireRested is expireUploads now and then, when sessions are opened.
func (s *Store) expireRested(ctx context.Context) error {
	s.uploadsMu.Lock()
	due := time.Since(s.lastExpiry) > expiryEvery
	s.uploadsMu.Unlock()
	if !due {
		return nil
	}
	return s.expireUploads(ctx)
}

// expireUploads removes sessions that rested too long, and the files and rows
// that a crash left without the other.
func (s *Store) expireUploads(ctx context.Context) error {
	rested, err := s.expireClosed(ctx)
	for _, u := range rested {
		cancelErr := u.Cancel(ctx)
		if inUse := errors.Is(cancelErr, registry.ErrConflict) || errors.Is(cancelErr, registry.ErrNotFound); err == nil && !inUse {
			err = cancelErr
		}
	}
	return err
}

// expireClosed removes what no request uses, and returns the open sessions
// that rested too long.
func (s *Store) expireClosed(ctx context.Context) (rested []*Upload, err error) {
	s.uploadsMu.Lock()
	defer s.uploadsMu.Unlock()
	s.lastExpiry = time.Now()
	entries, err := os.ReadDir(s.path(uploadsDir))
	if err != nil {
		return nil, err
	}
	rows, err := s.db.Read.QueryContext(ctx, `SELECT id FROM uploads`)
	ids, err := readNames(rows, err)
	if err != nil {
		return nil, err
	}
	rows, err = s.db.Read.QueryContext(ctx, `SELECT id FROM uploads WHERE digest <> ''`)
	transfers, err := readNames(rows, err)
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{} // rows without a file
	for _, id := range ids {
		gone[id] = true
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // it became a blob just now
		}
		expiry := s.options.UploadExpiry
		if slices.Contains(transfers, e.Name()) {
			expiry = max(expiry, transferExpiry)
		}
		fresh := err == nil && time.Since(info.ModTime()) < expiry
		open := s.uploads[e.Name()]
		if open != nil && !fresh {
			rested = append(rested, open)
		}
		if open != nil || fresh && gone[e.Name()] {
			delete(gone, e.Name())
			continue
		}
		if err := os.RemoveAll(s.path(uploadsDir, e.Name())); err != nil {
			return rested, err
		}
	}
	for id := range gone {
		if err := s.deleteUploadRow(ctx, id); err != nil {
			return rested, err
		}
	}
	return rested, nil
}
