package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/priority"
	"github.com/landfall-dev/landfall/registry"
)

// IncompleteError is an ErrIncomplete that lists what a manifest names and the
// repository does not have.
type IncompleteError struct {
	Ref     registry.Ref
	Missing []digest.Digest
}

func (e *IncompleteError) Error() string {
	var s []string
	for _, d := range e.Missing {
		s = append(s, d.String())
	}
	return fmt.Sprintf("%s: %v: missing %s", e.Ref, registry.ErrIncomplete, strings.Join(s, ", "))
}

// Is makes the error an ErrIncomplete.
func (e *IncompleteError) Is(target error) bool { return target == registry.ErrIncomplete }

// Exists implements registry.Writer.
func (s *Store) Exists(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	var err error
	if registry.IsManifest(d.MediaType) {
		var one int
		path := registry.RepositoryPath(repository)
		err = s.guard.ask(func(epoch uint64) error {
			if err := s.queries.hasManifest.QueryRowContext(unwatched(ctx), path, d.Digest.String()).Scan(&one); err != nil {
				return err
			}
			return s.guard.answerManifest(path, d.Digest, epoch)
		})
	} else {
		_, err = s.StatBlob(ctx, repository, d.Digest)
	}
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// checkedAtOnce is how many digests one query looks up.
const checkedAtOnce = 500

// Missing implements registry.Checker.
func (s *Store) Missing(ctx context.Context, repository string, blobs []registry.Descriptor) ([]registry.Descriptor, error) {
	var missing []registry.Descriptor
	for group := range slices.Chunk(blobs, checkedAtOnce) {
		epoch := s.guard.epoch()
		sizes, err := s.linkedSizes(ctx, repository, group)
		if err != nil {
			return nil, err
		}
		for _, d := range group {
			size, linked := sizes[d.Digest]
			if !linked || s.guard.answerBlob(registry.RepositoryPath(repository), d.Digest, epoch) != nil || s.checkFile(ctx, d.Digest, size) != nil {
				missing = append(missing, d)
			}
			priority.GiveWay()
		}
	}
	return missing, nil
}

// linkedSizes are the sizes of those blobs that a repository has.
func (s *Store) linkedSizes(ctx context.Context, repository string, blobs []registry.Descriptor) (map[digest.Digest]int64, error) {
	args := []any{registry.RepositoryPath(repository)}
	for _, d := range blobs {
		args = append(args, d.Digest.String())
	}
	rows, err := s.db.Read.QueryContext(ctx, `SELECT b.digest, b.size FROM repositories r
		JOIN repository_blobs rb ON rb.repository_id = r.id
		JOIN blobs b ON b.digest = rb.digest
		WHERE r.path = ? AND rb.digest IN (`+placeholders(len(blobs))+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sizes := make(map[digest.Digest]int64, len(blobs))
	for rows.Next() {
		var d digest.Digest
		var size int64
		if err := rows.Scan(&d, &size); err != nil {
			return nil, err
		}
		sizes[d] = size
	}
	return sizes, rows.Err()
}

// Mount implements registry.Mounter.
func (s *Store) Mount(ctx context.Context, repository, from string, d registry.Descriptor) (bool, error) {
	size, err := s.mountable(ctx, from, d.Digest)
	if errors.Is(err, registry.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if d.Size > 0 && d.Size != size {
		return false, nil // adopted after a crash, and not whole
	}
	l := link{repository, d.Digest, size}
	if err := s.charge(ctx, l); err != nil {
		return false, err
	}
	s.content.RLock()
	defer s.content.RUnlock()
	if info, err := os.Stat(s.blobPath(d.Digest)); err != nil || info.Size() != size {
		s.recharge()
		return false, nil // erased, or found damaged, since
	}
	return true, s.link(ctx, l)
}

// mountable is the size of a blob that a repository, or any, has whole.
func (s *Store) mountable(ctx context.Context, from string, d digest.Digest) (size int64, err error) {
	if from != "" {
		return s.StatBlob(ctx, from, d)
	}
	select {
	case <-s.recounted: // before, files may have no row yet
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	err = s.queries.blobSize.QueryRowContext(ctx, d.String()).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, registry.ErrNotFound
	}
	if err == nil {
		err = s.checkFile(ctx, d, size)
	}
	return size, err
}

// put is a manifest on its way into the database.
type put struct {
	ref        registry.Ref
	descriptor registry.Descriptor
	parsed     *registry.Manifest
	content    []byte
	pushed     bool // by itself, not in a batch, whose names tell of it
}

// PutManifest implements registry.Writer. Manifest, references and tag change
// in one transaction, durable when it returns. Layers or a config that are
// missing are an *IncompleteError.
func (s *Store) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	return s.PutTagged(ctx, ref, []string{ref.Tag}, d, content)
}

// PutTagged is PutManifest with any number of tags: all are set, or none. The
// tag "" sets none.
func (s *Store) PutTagged(ctx context.Context, ref registry.Ref, tags []string, d registry.Descriptor, content []byte) error {
	p, err := s.check(ctx, ref, d, content)
	if err != nil {
		return err
	}
	var puts []put
	for _, tag := range tags {
		p.ref.Tag, p.pushed = tag, true
		puts = append(puts, p)
	}
	return s.putManifests(ctx, s.db.Write, puts)
}

// check proves a manifest and that its blobs are whole.
func (s *Store) check(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) (put, error) {
	parsed, err := registry.CheckManifest(ref, d, content)
	if err != nil {
		return put{}, err
	}
	incomplete := IncompleteError{Ref: ref}
	for _, b := range parsed.Blobs {
		size, err := s.StatBlob(ctx, ref.Repository, b.Digest)
		if errors.Is(err, registry.ErrNotFound) {
			if revived, reviveErr := s.revive(ctx, ref.Repository, b); revived || reviveErr != nil {
				size, err = b.Size, reviveErr
			}
		}
		switch {
		case errors.Is(err, registry.ErrNotFound) && s.options.AcceptIncomplete:
		case errors.Is(err, registry.ErrNotFound):
			incomplete.Missing = append(incomplete.Missing, b.Digest)
		case err != nil:
			return put{}, err
		case size != b.Size:
			return put{}, fmt.Errorf("%s: %w: blob %s has %d bytes, the manifest says %d", ref, registry.ErrInvalid, b.Digest, size, b.Size)
		}
	}
	if len(incomplete.Missing) > 0 {
		return put{}, &incomplete
	}
	return put{ref: ref, descriptor: registry.Bare(d), parsed: parsed, content: content}, nil
}

func (s *Store) putManifests(ctx context.Context, write transaction, puts []put) error {
	err := write(ctx, s.noted(ctx, func(tx *noting) error {
		for _, p := range puts {
			if err := s.insertManifest(ctx, tx, p); err != nil {
				return named(p.ref.String(), err)
			}
			priority.GiveWay()
		}
		return nil
	}))
	var keys []cacheKey
	for _, p := range puts {
		path := registry.RepositoryPath(p.ref.Repository)
		keys = append(keys, manifestKey(path, p.ref.Tag), manifestKey(path, p.descriptor.Digest.String()))
	}
	s.cache.forget(keys...)
	if err != nil {
		return registry.DiskError(err)
	}
	var digests []digest.Digest
	for _, p := range puts {
		digests = append(digests, p.descriptor.Digest)
	}
	return s.healed(ctx, digests...)
}

func (s *Store) insertManifest(ctx context.Context, tx *noting, p put) error {
	id, err := repositoryID(ctx, tx.Tx, p.ref.Repository)
	if err != nil {
		return err
	}
	if err := s.checkLinks(ctx, tx.Tx, id, p); err != nil {
		return err
	}
	d, path := p.descriptor.Digest, registry.RepositoryPath(p.ref.Repository)
	s.guard.arrive(path, d)
	if err := insertContent(ctx, tx.Tx, p); err != nil {
		return err
	}
	if p.pushed && p.ref.Tag == "" {
		if err := tx.notePut(ctx, id, d); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO repository_manifests (repository_id, digest, linked_at) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET linked_at = excluded.linked_at`, id, d.String(), now()); err != nil {
		return err
	}
	if err := s.keepReached(ctx, tx.Tx, occurrence{path, d}); err != nil {
		return err
	}
	return s.setTag(ctx, tx, id, p.ref, d)
}

// checkLinks repeats the check of a manifest's blobs where nobody can delete
// one in between.
func (s *Store) checkLinks(ctx context.Context, tx *sql.Tx, repository int64, p put) error {
	if s.options.AcceptIncomplete {
		return nil
	}
	incomplete := IncompleteError{Ref: p.ref}
	for _, b := range p.parsed.Blobs {
		var one int
		err := tx.QueryRowContext(ctx, `SELECT 1 FROM repository_blobs WHERE repository_id = ? AND digest = ?`, repository, b.Digest.String()).Scan(&one)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !s.guard.keepsBlob(registry.RepositoryPath(p.ref.Repository), b.Digest) {
			incomplete.Missing = append(incomplete.Missing, b.Digest)
		} else if err != nil {
			return err
		}
	}
	if len(incomplete.Missing) > 0 {
		return &incomplete
	}
	return nil
}

// setTag points a tag at a manifest of the repository; no tag, nothing to do.
func (s *Store) setTag(ctx context.Context, tx *noting, repository int64, ref registry.Ref, d digest.Digest) error {
	if ref.Tag == "" {
		return nil
	}
	if err := s.mayMove(ctx, tx.Tx, repository, ref, d); err != nil {
		return err
	}
	if same, err := tx.noteTag(ctx, repository, ref, d); same || err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO tags (repository_id, name, digest, updated_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at
		WHERE digest <> excluded.digest`, repository, ref.Tag, d.String(), now())
	return err
}

// insertContent writes a manifest and what it names, unless it is known and
// whole.
func insertContent(ctx context.Context, tx *sql.Tx, p put) error {
	annotations, err := json.Marshal(p.parsed.Annotations)
	if err != nil {
		return err
	}
	var subject *string
	if p.parsed.Subject != nil {
		d := p.parsed.Subject.Digest.String()
		subject = &d
	}
	d := p.descriptor.Digest.String()
	result, err := tx.ExecContext(ctx, `INSERT INTO manifests (digest, media_type, artifact_type, subject, annotations, content, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET content = excluded.content, unlinked_at = NULL
		WHERE unlinked_at IS NOT NULL OR content <> excluded.content`,
		d, p.descriptor.MediaType, p.parsed.ArtifactType, subject, string(annotations), p.content, now())
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		return err
	}
	for kind, named := range map[string][]registry.Descriptor{"blob": p.parsed.Blobs, "manifest": p.parsed.Children} {
		for _, c := range named {
			if _, err := tx.ExecContext(ctx, `INSERT INTO manifest_references (manifest, digest, kind) VALUES (?, ?, ?)
				ON CONFLICT DO NOTHING`, d, c.Digest.String(), kind); err != nil {
				return err
			}
		}
	}
	return nil
}
