package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Resolve implements registry.Reader.
func (s *Store) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	m, err := s.manifest(ctx, ref)
	return m.Descriptor, err
}

// Manifest implements registry.Reader. The bytes are shared: they must not be
// changed.
func (s *Store) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	m, err := s.manifest(ctx, ref)
	return m.Descriptor, m.content, err
}

func (s *Store) manifest(ctx context.Context, ref registry.Ref) (manifest, error) {
	path, query := registry.RepositoryPath(ref.Repository), s.queries.byDigest
	if ref.Digest == "" {
		query = s.queries.byTag
	}
	key := manifestKey(path, cmp.Or(ref.Digest.String(), ref.Tag))
	if c, ok := s.cache.get(key); ok {
		return c.manifest, nil
	}
	generation := s.cache.generation.Load()
	m, err := readManifest(query.QueryRowContext(ctx, key.repository, key.reference))
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", ref, err)
	}
	s.cache.put(generation, &cached{key: key, manifest: m})
	return m, nil
}

func readManifest(row *sql.Row) (m manifest, err error) {
	err = row.Scan(&m.Digest, &m.MediaType, &m.content)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	m.Size = int64(len(m.content))
	return m, err
}

// Blob implements registry.Reader.
func (s *Store) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	f, size, err := s.OpenBlob(ctx, repository, d.Digest)
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		f.Close()
		return nil, fmt.Errorf("%s@%s: %w: %d bytes, want %d", repository, d.Digest, registry.ErrSize, size, d.Size)
	}
	return registry.VerifyReadCloser(f, d), nil
}

// OpenBlob opens a blob's file, for the caller to close. A file that is
// missing or not of its size is ErrNotFound: whoever has the blob will then
// bring it, and mend it.
func (s *Store) OpenBlob(ctx context.Context, repository string, d digest.Digest) (*os.File, int64, error) {
	size, err := s.linkedSize(ctx, repository, d)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(s.blobPath(d))
	if err != nil {
		return nil, 0, brokenBlob(d, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		f.Close()
		return nil, 0, brokenBlob(d, cmp.Or(err, sizeError(info, size)))
	}
	return f, size, nil
}

// StatBlob is the size of a blob that is whole, as far as its size tells.
func (s *Store) StatBlob(ctx context.Context, repository string, d digest.Digest) (int64, error) {
	size, err := s.linkedSize(ctx, repository, d)
	if err != nil {
		return 0, err
	}
	return size, s.checkFile(d, size)
}

// checkFile compares the file of a blob with the size that its row states.
func (s *Store) checkFile(d digest.Digest, size int64) error {
	info, err := os.Stat(s.blobPath(d))
	if err == nil && info.Size() == size {
		return nil
	}
	return brokenBlob(d, cmp.Or(err, sizeError(info, size)))
}

func sizeError(info os.FileInfo, size int64) error {
	if info == nil {
		return nil
	}
	return fmt.Errorf("file of %d bytes, want %d", info.Size(), size)
}

// brokenBlob is ErrNotFound for clients; the cause stays in the message.
func brokenBlob(d digest.Digest, cause error) error {
	if pathErr := (*os.PathError)(nil); errors.As(cause, &pathErr) {
		cause = pathErr.Err // the local path is nobody's business
	}
	return fmt.Errorf("blob %s is damaged on disk (%w): push or import it again: %w", d, cause, registry.ErrNotFound)
}

// linkedSize is the size of a blob that a repository has.
func (s *Store) linkedSize(ctx context.Context, repository string, d digest.Digest) (int64, error) {
	key := blobKey(registry.RepositoryPath(repository), d)
	if c, ok := s.cache.get(key); ok {
		return c.blobSize, nil
	}
	generation := s.cache.generation.Load()
	var size int64
	err := s.queries.repositoryBlob.QueryRowContext(ctx, key.repository, key.reference).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("%s@%s: %w", repository, d, err)
	}
	s.cache.put(generation, &cached{key: key, blobSize: size})
	return size, nil
}

// Referrers implements registry.Reader.
func (s *Store) Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	rows, err := s.db.Read.QueryContext(ctx, `SELECT m.digest, m.media_type, length(m.content), m.artifact_type, m.annotations
		FROM repositories r
		JOIN repository_manifests rm ON rm.repository_id = r.id
		JOIN manifests m ON m.digest = rm.digest
		WHERE r.path = ? AND m.subject = ? ORDER BY m.digest`, registry.RepositoryPath(repository), subject.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []registry.Descriptor
	for rows.Next() {
		var d registry.Descriptor
		var annotations []byte
		if err := rows.Scan(&d.Digest, &d.MediaType, &d.Size, &d.ArtifactType, &annotations); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(annotations, &d.Annotations); err != nil {
			return nil, fmt.Errorf("annotations of %s: %w", d.Digest, err)
		}
		list = append(list, d)
	}
	return list, rows.Err()
}
