package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Pin is a root that somebody has set: the manifest, and all it reaches, stays
// until the owner takes the pin away.
type Pin struct {
	Repository string        `json:"repository"`
	Tag        string        `json:"tag,omitempty"` // pinned too, when it was named: it cannot be deleted
	Digest     digest.Digest `json:"digest"`
	Owner      string        `json:"owner"` // who, for programs: "operator", "cluster/edge-7"
	Reason     string        `json:"reason"`
	Created    time.Time     `json:"created"`
}

// PinnedError is an ErrConflict: a pin keeps what was to be deleted.
type PinnedError struct {
	What          string // what was to be deleted
	Pinned        string // the pinned manifest, when it is another one
	Owner, Reason string
}

func (e *PinnedError) Error() string {
	by := "is pinned"
	if e.Pinned != "" {
		by = "belongs to " + e.Pinned + ", which is pinned"
	}
	return fmt.Sprintf("%s %s by %s: %s; take the pin away first", e.What, by, e.Owner, e.Reason)
}

// Is makes the error an ErrConflict.
func (e *PinnedError) Is(target error) bool { return target == registry.ErrConflict }

// Pin pins the manifest that ref names, for an owner, and replaces that owner's
// reason if it was pinned. Durable when it returns.
func (s *Store) Pin(ctx context.Context, ref registry.Ref, owner, reason string) (Pin, error) {
	if owner == "" || reason == "" {
		return Pin{}, fmt.Errorf("%w: a pin needs an owner and a reason", registry.ErrInvalid)
	}
	d, err := s.Resolve(ctx, ref)
	if err != nil {
		return Pin{}, err
	}
	p := Pin{Repository: ref.Repository, Tag: ref.Tag, Digest: d.Digest, Owner: owner, Reason: reason, Created: time.UnixMilli(now()).UTC()}
	path := registry.RepositoryPath(ref.Repository)
	err = s.db.Write(ctx, s.noted(ctx, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, path)
		if err != nil {
			return err
		}
		var one int
		err = tx.QueryRowContext(ctx, `SELECT 1 FROM repository_manifests WHERE repository_id = ? AND digest = ?`, id, d.Digest.String()).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !s.guard.keeps(path, d.Digest) {
			err = registry.ErrNotFound // deleted or collected meanwhile
		}
		if err != nil {
			return err
		}
		s.guard.arrive(path, d.Digest)
		if err := tx.notePin(ctx, id, p); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO pins (repository_id, digest, tag, owner, reason, created_at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (repository_id, digest, tag, owner) DO UPDATE SET reason = excluded.reason`,
			id, d.Digest.String(), p.Tag, owner, reason, p.Created.UnixMilli())
		return err
	}))
	return p, named(ref.String(), err)
}

// notePin notes that a pin is about to be set.
func (t *noting) notePin(ctx context.Context, repository int64, p Pin) error {
	if !t.asked {
		return nil
	}
	before := p
	var at int64
	err := t.QueryRowContext(ctx, `SELECT reason, created_at FROM pins WHERE repository_id = ? AND digest = ? AND tag = ? AND owner = ?`,
		repository, p.Digest.String(), p.Tag, p.Owner).Scan(&before.Reason, &at)
	change := Change{Kind: PinSet, After: p}
	switch {
	case err == nil && before.Reason == p.Reason:
		return nil
	case err == nil:
		before.Created = time.UnixMilli(at).UTC()
		p.Created = before.Created
		change.Before, change.After = before, p
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	change.Name, err = t.name(ctx, repository, p.ref())
	t.note(change)
	return err
}

// ref is what is pinned, without its repository.
func (p Pin) ref() registry.Ref {
	if p.Tag != "" {
		return registry.Ref{Tag: p.Tag}
	}
	return registry.Ref{Digest: p.Digest}
}

// Unpin takes an owner's pins of a name away: those of the tag when ref has no
// digest, whatever it points at now. ErrNotFound when there is none.
func (s *Store) Unpin(ctx context.Context, ref registry.Ref, owner string) error {
	err := s.writeAnyway(ctx, s.db.Write, s.noted(ctx, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, registry.RepositoryPath(ref.Repository))
		if err != nil {
			return err
		}
		return unpin(ctx, tx, id, Pin{Repository: ref.Repository, Tag: ref.Tag, Digest: ref.Digest, Owner: owner})
	}))
	if errors.Is(err, registry.ErrNotFound) {
		return fmt.Errorf("%s: %w: %s has no pin on it", ref, registry.ErrNotFound, owner)
	}
	return named(ref.String(), err)
}

// unpin takes the pins of an owner away that have the digest or, without one, the
// tag. ErrNotFound when there is none.
func unpin(ctx context.Context, tx *noting, repository int64, which Pin) error {
	var gone []Pin
	p := Pin{Repository: which.Repository, Owner: which.Owner}
	var at int64
	err := each(ctx, tx, []any{&p.Tag, &p.Digest, &p.Reason, &at}, func() {
		p.Created = time.UnixMilli(at).UTC()
		gone = append(gone, p)
	}, `DELETE FROM pins WHERE repository_id = ?1 AND owner = ?2
		AND (?3 <> '' AND digest = ?3 OR ?3 = '' AND tag = ?4) RETURNING tag, digest, reason, created_at`,
		repository, which.Owner, which.Digest.String(), which.Tag)
	if err == nil && len(gone) == 0 {
		err = registry.ErrNotFound
	}
	if err != nil || !tx.asked {
		return err
	}
	for _, p := range gone {
		name, err := tx.name(ctx, repository, p.ref())
		if err != nil {
			return err
		}
		tx.note(Change{Kind: PinDelete, Name: name, Before: p})
	}
	return nil
}

// Pins lists all pins, by repository.
func (s *Store) Pins(ctx context.Context) ([]Pin, error) {
	list := []Pin{}
	var p Pin
	var at int64
	err := each(ctx, s.db.Read, []any{&p.Repository, &p.Tag, &p.Digest, &p.Owner, &p.Reason, &at}, func() {
		p.Created = time.UnixMilli(at).UTC()
		list = append(list, p)
	}, `SELECT r.name, p.tag, p.digest, p.owner, p.reason, p.created_at FROM pins p
		JOIN repositories r ON r.id = p.repository_id ORDER BY r.name, p.tag, p.digest, p.owner`)
	return list, err
}

// mayDeleteTag refuses what a pin or a rule keeps.
func (s *Store) mayDeleteTag(ctx context.Context, tx *sql.Tx, repository int64, ref registry.Ref) error {
	e := &PinnedError{What: ref.String()}
	err := tx.QueryRowContext(ctx, `SELECT owner, reason FROM pins WHERE repository_id = ? AND tag = ? LIMIT 1`, repository, ref.Tag).Scan(&e.Owner, &e.Reason)
	if err == nil {
		return e
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return s.mayLose(ctx, tx, repository, ref)
}

// mayDeleteManifest refuses what a pin keeps, or a rule for a tag of it or of
// something above it.
func (s *Store) mayDeleteManifest(ctx context.Context, tx *sql.Tx, repository int64, ref registry.Ref) error {
	if err := s.pinnedAbove(ctx, tx, repository, ref); err != nil {
		return err
	}
	w := &climb{guard: s.guard, q: tx, repository: repository}
	return w.up(ctx, ref.Digest, func(path []digest.Digest) (bool, error) {
		rows, err := tx.QueryContext(ctx, `SELECT name FROM tags WHERE repository_id = ? AND digest = ?`, repository, path[0].String())
		tags, err := readNames(rows, err)
		for _, tag := range tags {
			if err == nil {
				err = s.mayLose(ctx, tx, repository, registry.Ref{Repository: ref.Repository, Tag: tag})
			}
		}
		return true, err
	})
}

// pinnedAbove is a *PinnedError when content or something above it is pinned.
func (s *Store) pinnedAbove(ctx context.Context, tx *sql.Tx, repository int64, ref registry.Ref) error {
	w := &climb{guard: s.guard, q: tx, repository: repository}
	return w.up(ctx, ref.Digest, func(path []digest.Digest) (bool, error) {
		e := &PinnedError{What: ref.Repository + "@" + ref.Digest.String()}
		if len(path) > 1 {
			e.Pinned = path[0].String()
		}
		err := tx.QueryRowContext(ctx, `SELECT owner, reason FROM pins WHERE repository_id = ? AND digest = ? LIMIT 1`, repository, path[0].String()).Scan(&e.Owner, &e.Reason)
		if err == nil {
			return false, e
		}
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return true, err
	})
}
