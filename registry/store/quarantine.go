package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// Damage is content in quarantine: what is on the disk is not what its digest
// says. It counts as absent, so whoever brings it heals it.
type Damage struct {
	Digest digest.Digest `json:"digest"`
	Kind   string        `json:"kind"` // blob, manifest
	Size   int64         `json:"size"` // bytes that it has to have
	Cause  string        `json:"cause"`
	Found  time.Time     `json:"found"`
	Breaks []string      `json:"breaks"` // names that need it, the first namesTold of them
	More   bool          `json:"more,omitempty"`
}

// namesTold bounds the names that a report lists for one thing.
const namesTold = 20

// Damaged lists the quarantine, by digest.
func (s *Store) Damaged(ctx context.Context) ([]Damage, error) {
	list := []Damage{}
	var d Damage
	var at int64
	err := each(ctx, s.db.Read, []any{&d.Digest, &d.Kind, &d.Size, &d.Cause, &at}, func() {
		d.Found = time.UnixMilli(at).UTC()
		list = append(list, d)
	}, `SELECT d.digest, d.kind, coalesce(b.size, length(m.content), 0), d.cause, d.found_at FROM damaged d
		LEFT JOIN blobs b ON b.digest = d.digest LEFT JOIN manifests m ON m.digest = d.digest ORDER BY d.digest`)
	for i := range list {
		if err != nil {
			return nil, err
		}
		list[i].Breaks, list[i].More, err = s.namesOver(ctx, list[i].Digest)
	}
	return list, err
}

// quarantine takes a file that is no longer its blob out of the way. f is the
// file that was found bad, nil when there is none or it has the wrong size. A
// blob that was healed or erased meanwhile is left alone; then, and only then,
// it reports false.
func (s *Store) quarantine(ctx context.Context, d digest.Digest, f *os.File, cause error) (bool, error) {
	ctx = context.WithoutCancel(ctx) // a client that leaves must not keep damage in place
	s.content.Lock()
	defer s.content.Unlock()
	bad, linked, err := s.stillBad(ctx, d, f)
	if err != nil || !bad {
		return false, err
	}
	if !linked {
		return false, s.forgetBlob(ctx, d)
	}
	err = durable.Rename(s.blobPath(d), s.quarantinePath(d))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, named("quarantine "+d.String(), err)
	}
	return true, s.noteDamage(ctx, d, "blob", cause)
}

// stillBad looks again where nobody can replace the file.
func (s *Store) stillBad(ctx context.Context, d digest.Digest, f *os.File) (bad, linked bool, err error) {
	var size int64
	err = s.db.Read.QueryRowContext(ctx, `SELECT size, unlinked_at IS NULL FROM blobs WHERE digest = ?`, d.String()).Scan(&size, &linked)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	if f != nil {
		bad, err = durable.IsAt(f, s.blobPath(d))
		return bad, linked, err
	}
	info, err := os.Stat(s.blobPath(d))
	return err != nil || info.Size() != size, linked, nil
}

// forgetBlob drops a bad blob that no repository has: nobody misses it.
func (s *Store) forgetBlob(ctx context.Context, d digest.Digest) error {
	if err := removeIfThere(s.blobPath(d)); err != nil {
		return named("blob "+d.String(), err)
	}
	return s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM blobs WHERE digest = ? AND unlinked_at IS NOT NULL`, d.String())
		return err
	})
}

// noteDamage lists d.
func (s *Store) noteDamage(ctx context.Context, d digest.Digest, kind string, cause error) error {
	err := s.writeAnyway(ctx, s.db.WriteSoon, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO damaged (digest, kind, cause, found_at) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, d.String(), kind, causeText(d, cause), now())
		return err
	})
	s.cache.forget()
	return cmp.Or(named("quarantine "+d.String(), err), s.countDamaged(ctx))
}

// causeText is what is wrong with d, for a list that names d itself.
func causeText(d digest.Digest, cause error) string {
	return strings.TrimPrefix(cause.Error(), d.String()+": ")
}

// countDamaged keeps the number at hand: as long as it is zero, nobody looks.
func (s *Store) countDamaged(ctx context.Context) error {
	var n int64
	err := s.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM damaged`).Scan(&n)
	if err == nil {
		s.damaged.Store(n)
	}
	return err
}

// healed ends the quarantine of content that has just become durable.
func (s *Store) healed(ctx context.Context, digests ...digest.Digest) error {
	if s.damaged.Load() == 0 {
		return nil
	}
	err := s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		for _, d := range digests {
			if _, err := tx.ExecContext(ctx, `DELETE FROM damaged WHERE digest = ?`, d.String()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range digests {
		os.Remove(s.quarantinePath(d)) // the bad bytes have no use any more
	}
	return s.countDamaged(ctx)
}

// Whole reports whether an open file is still what its blob is read from. Who
// sends a blob asks before the last bytes: damage may have been found meanwhile.
func (s *Store) Whole(d digest.Digest, f *os.File) bool {
	at, err := durable.IsAt(f, s.blobPath(d))
	return err == nil && at
}

// Suspect is told of an error with which reading an open blob ended. Where the
// file is to blame, it goes into quarantine.
func (s *Store) Suspect(ctx context.Context, d digest.Digest, f *os.File, cause error) {
	switch {
	case errors.Is(cause, syscall.EIO):
		_, _ = s.quarantine(ctx, d, f, syscall.EIO) // the next reader will try again
	case errors.Is(cause, io.EOF), errors.Is(cause, io.ErrUnexpectedEOF):
		_, _ = s.quarantine(ctx, d, nil, errors.New("its file became shorter"))
	}
}

// broken handles a file that cannot be the blob: quarantine, and an
// ErrNotFound for clients; the cause stays in the message. While the store
// cannot write, the file stays where it is, and is refused each time.
func (s *Store) broken(ctx context.Context, d digest.Digest, cause error) error {
	if pathErr := (*os.PathError)(nil); errors.As(cause, &pathErr) {
		cause = pathErr.Err // the local path is nobody's business
	}
	known := ""
	if errors.Is(cause, os.ErrNotExist) {
		cause = errors.New("its file is missing")
		if known = s.damageOf(ctx, d); known != "" {
			cause = errors.New(known)
		}
	}
	if known == "" {
		if _, err := s.quarantine(ctx, d, nil, cause); err != nil {
			cause = fmt.Errorf("%w; %w", cause, err)
		}
	}
	return fmt.Errorf("blob %s is damaged on disk (%w): push or import it again: %w", d, cause, registry.ErrNotFound)
}

// damageOf is why content is in quarantine, empty when it is not.
func (s *Store) damageOf(ctx context.Context, d digest.Digest) (cause string) {
	if s.damaged.Load() > 0 {
		_ = s.db.Read.QueryRowContext(ctx, `SELECT cause FROM damaged WHERE digest = ?`, d.String()).Scan(&cause)
	}
	return cause
}
