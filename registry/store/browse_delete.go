package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Loss is what the deletion of a name would lead to.
type Loss struct {
	Repository string // its original name
	Digest     digest.Digest
	Refused    error         // it would be refused: a *PinnedError or an *ImmutableError
	Tags       []string      // that go
	Breaks     []string      // names of indexes that would miss it, the first of them
	Kept       digest.Digest // what keeps the manifest: itself when it has another root, else what it belongs to; empty: nothing
	Manifests  int           // that nothing needs any more
	Blobs      int           // that nobody at the site needs any more
	Bytes      int64         // of these
	More       bool          // there are more than lossTold manifests to look at: what is counted is not all
}

// lossTold bounds how many manifests are looked at.
const lossTold = 2000

// Losing estimates what Delete of a name would lead to, once collections have
// been, leases have ended and nobody has come to need any of it.
func (s *Store) Losing(ctx context.Context, ref registry.Ref) (*Loss, error) {
	if ref.Digest != "" {
		ref.Tag = "" // as Delete takes it
	}
	l := &loser{store: s, ref: ref, dead: map[digest.Digest]bool{}}
	err := s.snapshot(ctx, l.run)
	if err != nil {
		return nil, named(ref.String(), err)
	}
	return &l.loss, nil
}

// loser looks at all that a manifest reaches in its repository.
type loser struct {
	store      *Store
	ref        registry.Ref
	tx         *sql.Tx
	repository int64
	loss       Loss
	reached    []digest.Digest        // the manifest first
	dead       map[digest.Digest]bool // what was reached, false when something keeps it
}

func (l *loser) run(ctx context.Context, tx *sql.Tx) (err error) {
	l.tx = tx
	if l.repository, l.loss.Digest, err = findIn(ctx, tx, l.ref); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT name FROM repositories WHERE id = ?`, l.repository).Scan(&l.loss.Repository); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{l.refused, l.names, l.reach, l.judge, l.count} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refused notes why the deletion is not possible.
func (l *loser) refused(ctx context.Context) error {
	var err error
	if l.ref.Digest == "" {
		err = l.store.mayDeleteTag(ctx, l.tx, l.repository, l.ref)
	} else {
		err = l.store.mayDeleteManifest(ctx, l.tx, l.repository, l.ref)
	}
	if errors.Is(err, registry.ErrConflict) {
		l.loss.Refused, err = err, nil
	}
	return err
}

// names notes the tags that go and, when the manifest itself goes, whom it will
// be missed by.
func (l *loser) names(ctx context.Context) error {
	l.loss.Tags, l.loss.Breaks = []string{}, []string{}
	if l.ref.Digest == "" {
		l.loss.Tags = append(l.loss.Tags, l.ref.Tag)
		return nil
	}
	rows, err := l.tx.QueryContext(ctx, `SELECT name FROM tags WHERE +repository_id = ? AND digest = ? ORDER BY name`, l.repository, l.loss.Digest.String())
	tags, err := readNames(rows, err)
	l.loss.Tags = append(l.loss.Tags, tags...)
	if err != nil {
		return err
	}
	rows, err = l.tx.QueryContext(ctx, `SELECT coalesce((SELECT min(t.name) FROM tags t WHERE +t.repository_id = rm.repository_id AND t.digest = rm.digest), ''), rm.digest
		FROM manifest_references mr CROSS JOIN repository_manifests rm
		WHERE mr.digest = ?2 AND mr.kind = 'manifest' AND rm.repository_id = ?1 AND rm.digest = mr.manifest ORDER BY rm.digest LIMIT ?3`, l.repository, l.loss.Digest.String(), namesTold)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		above := registry.Ref{Repository: l.loss.Repository}
		var d digest.Digest
		if err := rows.Scan(&above.Tag, &d); err != nil {
			return err
		}
		if above.Tag == "" {
			above.Digest = d
		}
		l.loss.Breaks = append(l.loss.Breaks, above.String())
	}
	return rows.Err()
}

// reach finds what the manifest keeps, itself first.
func (l *loser) reach(ctx context.Context) error {
	d := l.loss.Digest
	add := func() {
		if _, known := l.dead[d]; known {
			return
		}
		if len(l.reached) == lossTold {
			l.loss.More = true
			return
		}
		l.dead[d] = true
		l.reached = append(l.reached, d)
	}
	add()
	for i := 0; i < len(l.reached); i++ {
		if err := l.below(ctx, l.reached[i], &d, add); err != nil {
			return err
		}
	}
	return nil
}

// below calls found with each manifest that another keeps.
func (l *loser) below(ctx context.Context, of digest.Digest, d *digest.Digest, found func()) error {
	return each(ctx, l.tx, []any{d}, found, `SELECT rm.digest FROM manifest_references mr CROSS JOIN repository_manifests rm
			WHERE mr.manifest = ?2 AND mr.kind = 'manifest' AND rm.repository_id = ?1 AND rm.digest = mr.digest
		UNION SELECT rm.digest FROM manifests m CROSS JOIN repository_manifests rm
			WHERE m.subject = ?2 AND rm.repository_id = ?1 AND rm.digest = m.digest`,
		l.repository, of.String())
}

// judge finds what something else keeps, and so all that it keeps itself.
func (l *loser) judge(ctx context.Context) error {
	var alive []digest.Digest
	for _, d := range l.reached {
		by, err := l.keeperOf(ctx, d)
		if err != nil {
			return err
		}
		if by != "" {
			alive = append(alive, d)
		}
		if d == l.loss.Digest {
			l.loss.Kept = by
		}
	}
	for len(alive) > 0 {
		next := alive[len(alive)-1]
		alive = alive[:len(alive)-1]
		if !l.dead[next] || l.goes(next) {
			continue
		}
		l.dead[next] = false
		var d digest.Digest
		if err := l.below(ctx, next, &d, func() { alive = append(alive, d) }); err != nil {
			return err
		}
	}
	return nil
}

// goes reports whether a manifest goes itself, whatever needs it.
func (l *loser) goes(d digest.Digest) bool { return l.ref.Digest != "" && d == l.loss.Digest }

// keeperOf is the manifest that keeps another: itself when it has a root that
// does not go. What was not reached is taken for alive.
func (l *loser) keeperOf(ctx context.Context, d digest.Digest) (by digest.Digest, err error) {
	if l.goes(d) {
		return "", nil
	}
	var root bool
	err = l.tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tags WHERE +repository_id = ?1 AND digest = ?2 AND name <> ?3)
		OR EXISTS (SELECT 1 FROM pins WHERE repository_id = ?1 AND digest = ?2)
		OR EXISTS (SELECT 1 FROM repository_manifests WHERE repository_id = ?1 AND digest = ?2 AND named = 1)`,
		l.repository, d.String(), l.ref.Tag).Scan(&root)
	if err != nil || root {
		return d, err
	}
	var above digest.Digest
	return by, each(ctx, l.tx, []any{&above}, func() {
		if _, reached := l.dead[above]; !reached {
			by = above
		}
	}, `SELECT rm.digest FROM manifest_references mr CROSS JOIN repository_manifests rm
			WHERE mr.digest = ?2 AND rm.repository_id = ?1 AND rm.digest = mr.manifest
		UNION SELECT rm.digest FROM manifests m CROSS JOIN repository_manifests rm
			WHERE m.digest = ?2 AND rm.repository_id = ?1 AND rm.digest = m.subject`,
		l.repository, d.String())
}

// count adds up what only manifests name that go, from everywhere.
func (l *loser) count(ctx context.Context) error {
	blobs, gone := map[digest.Digest]int64{}, map[digest.Digest]bool{}
	for _, d := range l.reached {
		if !l.dead[d] {
			continue
		}
		l.loss.Manifests++
		var elsewhere bool
		err := l.tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM repository_manifests WHERE digest = ?1 AND repository_id <> ?2)`, d.String(), l.repository).Scan(&elsewhere)
		if err != nil {
			return err
		}
		if elsewhere {
			continue
		}
		gone[d] = true
		var blob digest.Digest
		var size int64
		err = each(ctx, l.tx, []any{&blob, &size}, func() { blobs[blob] = size }, `SELECT b.digest, b.size FROM manifest_references mr CROSS JOIN blobs b
			WHERE mr.manifest = ? AND mr.kind = 'blob' AND b.digest = mr.digest`, d.String())
		if err != nil {
			return err
		}
	}
	for d, size := range blobs {
		needed, err := l.needed(ctx, d, gone)
		if err != nil {
			return fmt.Errorf("blob %s: %w", d, err)
		}
		if !needed {
			l.loss.Blobs++
			l.loss.Bytes += size
		}
	}
	return nil
}

// needed reports whether a manifest that stays names a blob.
func (l *loser) needed(ctx context.Context, d digest.Digest, gone map[digest.Digest]bool) (bool, error) {
	rows, err := l.tx.QueryContext(ctx, `SELECT mr.manifest FROM manifest_references mr WHERE mr.digest = ?
		AND EXISTS (SELECT 1 FROM repository_manifests rm WHERE rm.digest = mr.manifest)`, d.String())
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var by digest.Digest
		if err := rows.Scan(&by); err != nil || !gone[by] {
			return true, err
		}
	}
	return false, rows.Err()
}
