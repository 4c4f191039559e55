package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Content by its digest, whichever repository it belongs to: what thin bundles
// stand on.

// ManifestOf is a manifest with its exact bytes.
func (s *Store) ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error) {
	m, err := s.readManifest(ctx, s.queries.content.QueryRowContext(ctx, "", d.String()))
	if err != nil {
		return registry.Descriptor{}, nil, fmt.Errorf("manifest %s: %w", d, err)
	}
	s.guard.lend(d)
	return m.Descriptor, m.content, nil
}

// ReferrersOf lists the manifests of any repository whose subject is d.
func (s *Store) ReferrersOf(ctx context.Context, d digest.Digest) (list []registry.Descriptor, err error) {
	var r registry.Descriptor
	err = each(ctx, s.db.Read, []any{&r.Digest, &r.MediaType, &r.Size}, func() { list = append(list, r) },
		`SELECT digest, media_type, length(content) FROM manifests WHERE subject = ? AND unlinked_at IS NULL ORDER BY digest`, d.String())
	return list, err
}

// MissingBlobs returns the blobs that no repository has whole. The others are
// leased.
func (s *Store) MissingBlobs(ctx context.Context, blobs []registry.Descriptor) (missing []registry.Descriptor, err error) {
	for _, d := range blobs {
		s.guard.lend(d.Digest) // before the look: what is there then stays
		switch size, err := s.mountable(ctx, "", d.Digest); {
		case errors.Is(err, registry.ErrNotFound) || err == nil && size != d.Size:
			missing = append(missing, d)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// Holding is content that the site has whole.
type Holding struct {
	Digest   digest.Digest
	Manifest bool // else a blob
}

// Holdings tells of all content that a repository has and that is not known to
// be damaged, blobs first, each in ascending order.
func (s *Store) Holdings(ctx context.Context, tell func(Holding)) error {
	select {
	case <-s.recounted: // before, files may have no row yet
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, table := range []string{"blobs", "manifests"} {
		h := Holding{Manifest: table == "manifests"}
		err := each(ctx, s.db.Read, []any{&h.Digest}, func() { tell(h) }, `SELECT digest FROM `+table+`
			WHERE unlinked_at IS NULL AND digest NOT IN (SELECT digest FROM damaged) ORDER BY digest`)
		if err != nil {
			return err
		}
	}
	return nil
}

// OpenAnywhere opens the file of a blob of so many bytes, whichever repository
// has it, for the caller to close.
func (s *Store) OpenAnywhere(ctx context.Context, d digest.Digest, size int64) (*os.File, error) {
	missing, err := s.MissingBlobs(ctx, []registry.Descriptor{{Digest: d, Size: size}})
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("blob %s: %w", d, registry.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return s.openWhole(ctx, d, size)
}
