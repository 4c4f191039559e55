package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Content leaves in three steps. Collection takes it out of its repositories
// and notes that in the table trash. What no repository has any more is marked
// unlinked; its bytes are still there, so that an undo, a push or an import
// gets it back for nothing. After a while it is erased.

// Trash is what waits to be erased.
type Trash struct {
	Manifests int64     `json:"manifests"`
	Blobs     int64     `json:"blobs"`
	Bytes     int64     `json:"bytes"`
	Next      time.Time `json:"next,omitzero"` // when the first of it is due
}

// Erased is what was given back to the disk.
type Erased struct {
	Manifests int64 `json:"manifests"`
	Blobs     int64 `json:"blobs"`
	Bytes     int64 `json:"bytes"`
}

// Trash reports what waits to be erased.
func (s *Store) Trash(ctx context.Context) (t Trash, err error) {
	var first sql.NullInt64
	err = s.db.Read.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(size), 0), min(unlinked_at) FROM blobs WHERE unlinked_at IS NOT NULL`).
		Scan(&t.Blobs, &t.Bytes, &first)
	if err == nil {
		err = s.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM manifests WHERE unlinked_at IS NOT NULL`).Scan(&t.Manifests)
	}
	if first.Valid {
		t.Next = time.UnixMilli(first.Int64).Add(s.options.TrashAge)
	}
	return t, err
}

// Restored is what an undo brought back.
type Restored struct {
	Tags      int64 `json:"tags"`
	Manifests int64 `json:"manifests"`
	Blobs     int64 `json:"blobs"`
}

// Undo puts everything in the trash back where collection and retention took
// it from. What no root reaches still stays for as long as a lease does. A tag
// that was set again meanwhile stays as it is.
func (s *Store) Undo(ctx context.Context) (r Restored, err error) {
	if !s.upkeep.TryLock() {
		return r, errUpkeep
	}
	defer s.upkeep.Unlock()
	defer s.counts.outdate()
	s.content.RLock()
	defer s.content.RUnlock()
	err = s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		at := now()
		for _, step := range []struct {
			count *int64
			query string
		}{
			{&r.Blobs, `INSERT INTO repository_blobs (repository_id, digest, linked_at)
				SELECT repository_id, digest, ?1 FROM trash WHERE kind = 'blob' AND digest IN (SELECT digest FROM blobs) ON CONFLICT DO NOTHING`},
			{&r.Manifests, `INSERT INTO repository_manifests (repository_id, digest, linked_at, named)
				SELECT repository_id, digest, ?1, named FROM trash WHERE kind = 'manifest' AND digest IN (SELECT digest FROM manifests) ON CONFLICT DO NOTHING`},
			{nil, `UPDATE blobs SET unlinked_at = NULL WHERE unlinked_at IS NOT NULL AND digest IN (SELECT digest FROM repository_blobs)`},
			{nil, `UPDATE manifests SET unlinked_at = NULL WHERE unlinked_at IS NOT NULL AND digest IN (SELECT digest FROM repository_manifests)`},
		} {
			result, err := tx.ExecContext(ctx, step.query, at)
			if err != nil {
				return err
			}
			if step.count != nil {
				*step.count, err = result.RowsAffected()
			}
			if err != nil {
				return err
			}
		}
		tags, err := restoreTags(ctx, tx)
		if err != nil {
			return err
		}
		if r.Tags = tags; r != (Restored{}) {
			tx.note(Change{Kind: TrashRestore, Name: "trash", After: r})
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM trash`)
		return err
	}))
	s.cache.forgetAll()
	s.warm()
	s.recharge()
	return r, named("undo", err)
}

// restoreTags sets the tags in the trash whose manifests are there, and says how
// many.
func restoreTags(ctx context.Context, tx *noting) (n int64, err error) {
	names := map[int64]string{}
	var id int64
	var name string
	if tx.asked {
		err = each(ctx, tx, []any{&id, &name}, func() { names[id] = name }, `SELECT id, name FROM repositories WHERE id IN (SELECT repository_id FROM trash)`)
	}
	if err != nil {
		return 0, err
	}
	var d digest.Digest
	err = each(ctx, tx, []any{&id, &name, &d}, func() {
		n++
		tx.note(Change{Kind: TagRestore, Name: names[id] + ":" + name, After: d})
	}, `INSERT INTO tags (repository_id, name, digest, updated_at)
		SELECT repository_id, tag, digest, coalesce(updated_at, trashed_at) FROM trash t WHERE kind = 'tag'
		AND EXISTS (SELECT 1 FROM repository_manifests rm WHERE rm.repository_id = t.repository_id AND rm.digest = t.digest)
		ON CONFLICT DO NOTHING RETURNING repository_id, name, digest`)
	return n, err
}

// neededBy is a manifest that keeps another one in its repository: a parent,
// or the subject that it refers to. Empty when there is none.
func neededBy(ctx context.Context, tx *sql.Tx, repository int64, d digest.Digest) (by string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT mr.manifest FROM manifest_references mr
			JOIN repository_manifests rm ON rm.digest = mr.manifest AND rm.repository_id = ?1
			WHERE mr.digest = ?2 AND mr.kind = 'manifest'
		UNION ALL SELECT m.subject FROM manifests m
			JOIN repository_manifests rm ON rm.digest = m.subject AND rm.repository_id = ?1
			WHERE m.digest = ?2 LIMIT 1`, repository, d.String()).Scan(&by)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return by, err
}

func trashManifest(ctx context.Context, tx *sql.Tx, repository int64, d digest.Digest) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO trash (repository_id, digest, kind, tag, named, trashed_at)
		SELECT repository_id, digest, 'manifest', '', named, ?3 FROM repository_manifests WHERE repository_id = ?1 AND digest = ?2
		ON CONFLICT DO UPDATE SET trashed_at = excluded.trashed_at`, repository, d.String(), now())
	if err != nil {
		return err
	}
	return unlinkManifest(ctx, tx, repository, d)
}

// trashBlobs takes blobs out of repositories, in three statements however many
// they are.
func trashBlobs(ctx context.Context, tx *sql.Tx, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	var pairs, digests []any
	for _, r := range rows {
		pairs = append(pairs, r.repository, r.digest.String())
		digests = append(digests, r.digest.String())
	}
	values := strings.TrimSuffix(strings.Repeat("(?, ?), ", len(rows)), ", ")
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`WITH gone (repository_id, digest) AS (VALUES ` + values + `)
			INSERT INTO trash (repository_id, digest, kind, tag, named, trashed_at)
			SELECT repository_id, digest, 'blob', '', 0, ? FROM gone WHERE true ON CONFLICT DO UPDATE SET trashed_at = excluded.trashed_at`, append(pairs[:len(pairs):len(pairs)], now())},
		{`DELETE FROM repository_blobs WHERE (repository_id, digest) IN (VALUES ` + values + `)`, pairs},
		{`UPDATE blobs SET unlinked_at = ? WHERE digest IN (` + placeholders(len(rows)) + `)
			AND NOT EXISTS (SELECT 1 FROM repository_blobs rb WHERE rb.digest = blobs.digest)`, append([]any{now()}, digests...)},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// placeholders are n question marks, at least one.
func placeholders(n int) string { return "?" + strings.Repeat(", ?", n-1) }

// unlinkManifest takes a manifest out of a repository; ErrNotFound when it is
// not there.
func unlinkManifest(ctx context.Context, tx *sql.Tx, repository int64, d digest.Digest) error {
	err := mustAffect(tx.ExecContext(ctx, `DELETE FROM repository_manifests WHERE repository_id = ? AND digest = ?`, repository, d.String()))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE manifests SET unlinked_at = ?2 WHERE digest = ?1
		AND NOT EXISTS (SELECT 1 FROM repository_manifests WHERE digest = ?1)`, d.String(), now())
	return err
}

// unlinkBlob takes a blob out of a repository; ErrNotFound when it is not there.
func unlinkBlob(ctx context.Context, tx *sql.Tx, repository int64, d digest.Digest) error {
	err := mustAffect(tx.ExecContext(ctx, `DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?`, repository, d.String()))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE blobs SET unlinked_at = ?2 WHERE digest = ?1
		AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE digest = ?1)`, d.String(), now())
	return err
}

// revive takes a blob out of the trash for a repository that lost it to a
// collection, and reports whether it did: a client may rely on an answer from
// before a restart, which forgets leases.
func (s *Store) revive(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	var one int
	err := s.db.Read.QueryRowContext(ctx, `SELECT 1 FROM trash t JOIN repositories r ON r.id = t.repository_id
		WHERE t.digest = ? AND t.kind = 'blob' AND r.path = ?`, d.Digest.String(), registry.RepositoryPath(repository)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.Mount(ctx, repository, "", d)
}

// erase removes what has been unlinked for at least age, and that no lease
// protects. While a backup runs it removes nothing that is younger than that.
func (s *Store) erase(ctx context.Context, age time.Duration) (done Erased, err error) {
	cutoff := time.Now().Add(-age)
	if age <= 0 {
		cutoff = cutoff.Add(allTime) // also what the clock, when it was ahead, put into the future
	}
	if since, yes := s.guard.backedUp(); yes && since.Before(cutoff) {
		cutoff = since.Add(-time.Millisecond) // unlinked_at is in whole ones: the same one may be later
	}
	// What was unlinked must be so for good before its bytes go.
	err = s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		if err := tx.noteDue(ctx, cutoff); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM damaged WHERE kind = 'blob'
			AND digest IN (SELECT digest FROM blobs WHERE unlinked_at <= ?)`, cutoff.UnixMilli())
		return err
	}))
	for last := int64(0); err == nil; {
		var page []stale
		if page, err = s.stale(ctx, last, cutoff); err != nil || len(page) == 0 {
			break
		}
		last = page[len(page)-1].rowid
		err = s.eraseBlobs(ctx, page, &done)
	}
	if err == nil {
		err = s.eraseManifests(ctx, cutoff, &done)
	}
	if countErr := s.countDamaged(ctx); err == nil {
		err = countErr
	}
	return done, named("erase", err)
}

// noteDue notes what is about to be erased. What a lease protects is in it, too.
func (t *noting) noteDue(ctx context.Context, cutoff time.Time) error {
	if !t.asked {
		return nil
	}
	var due Erased
	err := t.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(size), 0) FROM blobs WHERE unlinked_at <= ?`, cutoff.UnixMilli()).Scan(&due.Blobs, &due.Bytes)
	if err == nil {
		err = t.QueryRowContext(ctx, `SELECT count(*) FROM manifests WHERE unlinked_at <= ?`, cutoff.UnixMilli()).Scan(&due.Manifests)
	}
	if err == nil && due != (Erased{}) {
		t.note(Change{Kind: TrashErase, Name: "trash", Before: due})
	}
	return err
}

// allTime is longer than any clock is wrong.
const allTime = 200 * 365 * 24 * time.Hour

// stale is a blob to be erased.
type stale struct {
	rowid, size int64
	digest      digest.Digest
}

func (s *Store) stale(ctx context.Context, after int64, cutoff time.Time) (page []stale, err error) {
	var b stale
	err = each(ctx, s.db.Read, []any{&b.rowid, &b.digest, &b.size}, func() { page = append(page, b) },
		`SELECT rowid, digest, size FROM blobs WHERE rowid > ? AND unlinked_at <= ? ORDER BY rowid LIMIT ?`, after, cutoff.UnixMilli(), sweepPage)
	return page, err
}

// eraseBlobs removes files, then rows: a row without a file that nobody is
// linked to is harmless, a file without a row would never be found. Nobody can
// link one of them meanwhile. On a failure the rest is left for the next time.
func (s *Store) eraseBlobs(ctx context.Context, page []stale, done *Erased) error {
	s.content.Lock()
	defer s.content.Unlock()
	unlinked, err := s.stillUnlinked(ctx, page)
	if err != nil {
		return err
	}
	var gone []any
	for _, b := range page {
		if !unlinked[b.digest] || s.guard.isLeased(b.digest) {
			continue
		}
		if err = errors.Join(removeIfThere(s.blobPath(b.digest)), removeIfThere(s.quarantinePath(b.digest))); err != nil {
			break
		}
		gone = append(gone, b.digest.String())
		done.Blobs++
		done.Bytes += b.size
	}
	s.collecting.erased(done.Bytes)
	if len(gone) == 0 {
		return err
	}
	return errors.Join(err, s.writeAnyway(ctx, s.db.WriteSoon, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM blobs WHERE digest IN (`+placeholders(len(gone))+`)`, gone...)
		return err
	}))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// stillUnlinked asks again where nobody can link.
func (s *Store) stillUnlinked(ctx context.Context, page []stale) (map[digest.Digest]bool, error) {
	var args []any
	for _, b := range page {
		args = append(args, b.digest.String())
	}
	unlinked := map[digest.Digest]bool{}
	var d digest.Digest
	err := each(ctx, s.db.Read, []any{&d}, func() { unlinked[d] = true },
		`SELECT digest FROM blobs WHERE unlinked_at IS NOT NULL AND digest IN (`+placeholders(len(args))+`)`, args...)
	return unlinked, err
}

// eraseManifests removes manifests that no repository has, and what could be
// undone no more.
func (s *Store) eraseManifests(ctx context.Context, cutoff time.Time, done *Erased) error {
	var old []digest.Digest
	var d digest.Digest
	err := each(ctx, s.db.Read, []any{&d}, func() {
		if !s.guard.isLeased(d) {
			old = append(old, d)
		}
	}, `SELECT digest FROM manifests WHERE unlinked_at <= ?`, cutoff.UnixMilli())
	if err != nil {
		return err
	}
	for len(old) > 0 {
		page := old[:min(sweepPage, len(old))]
		old = old[len(page):]
		if err := s.eraseManifestPage(ctx, page, done); err != nil {
			return err
		}
	}
	err = s.writeAnyway(ctx, s.db.WriteSoon, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM trash WHERE trashed_at <= ?`, cutoff.UnixMilli())
		return err
	})
	if err != nil {
		return err
	}
	return s.countDamaged(ctx) // some of it may have been
}

func (s *Store) eraseManifestPage(ctx context.Context, page []digest.Digest, done *Erased) error {
	return s.writeAnyway(ctx, s.db.WriteSoon, func(tx *sql.Tx) error {
		for _, d := range page {
			var one int
			err := tx.QueryRowContext(ctx, `SELECT 1 FROM manifests WHERE digest = ? AND unlinked_at IS NOT NULL`, d.String()).Scan(&one)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			for _, query := range []string{
				`DELETE FROM manifest_references WHERE manifest = ?`,
				`DELETE FROM damaged WHERE digest = ?`,
				`DELETE FROM manifests WHERE digest = ?`,
			} {
				if _, err := tx.ExecContext(ctx, query, d.String()); err != nil {
					return err
				}
			}
			done.Manifests++
		}
		return nil
	})
}
