package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

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

func (s *Store) manifest(ctx context.Context, ref registry.Ref) (m manifest, err error) {
	err = s.guard.ask(func(epoch uint64) (err error) {
		if m, err = s.findManifest(ctx, ref); err == nil {
			err = s.guard.answerManifest(registry.RepositoryPath(ref.Repository), m.Digest, epoch)
		}
		return err
	})
	if err != nil {
		return manifest{}, fmt.Errorf("%s: %w", ref, err)
	}
	return m, nil
}

// findManifest reads a manifest from memory or the database.
func (s *Store) findManifest(ctx context.Context, ref registry.Ref) (manifest, error) {
	path, generation := registry.RepositoryPath(ref.Repository), s.cache.generation.Load()
	if ref.Digest != "" {
		return s.loadManifest(ctx, generation, s.queries.byDigest, manifestKey(path, ref.Digest.String()))
	}
	if d, ok := s.cache.tagged(path, ref.Tag); ok { // the repository has it, then
		m, err := s.loadManifest(ctx, generation, s.queries.content, manifestKey(path, d.String()))
		if !errors.Is(err, registry.ErrNotFound) {
			return m, err
		}
	} // else the tag may have moved meanwhile, and what it was may be gone
	m, err := s.loadManifest(ctx, generation, s.queries.byTag, manifestKey(path, ref.Tag))
	if err == nil {
		s.cache.putTags(generation, tagRow{path: path, tag: ref.Tag, digest: m.Digest})
	}
	return m, err
}

// loadManifest is a manifest from memory, or what a query finds by the same key.
func (s *Store) loadManifest(ctx context.Context, generation uint64, query *sql.Stmt, key cacheKey) (manifest, error) {
	if c, ok := s.cache.get(key); ok {
		return c.manifest, nil
	}
	m, spilled := manifest{}, false
	if query == s.queries.content {
		m, spilled = s.spill.get(digest.Digest(key.reference))
	}
	if !spilled {
		var err error
		if m, err = s.readManifest(ctx, query.QueryRowContext(unwatched(ctx), key.repository, key.reference)); err != nil {
			return manifest{}, err
		}
		s.spill.put(m)
	}
	s.cache.put(generation, &cached{key: key, manifest: m})
	return m, nil
}

// readManifest proves the bytes too: memory and disks err.
func (s *Store) readManifest(ctx context.Context, row *sql.Row) (m manifest, err error) {
	err = row.Scan(&m.Digest, &m.MediaType, &m.content)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err != nil {
		return m, err
	}
	m.Size = int64(len(m.content))
	if m.Digest.Algorithm().FromBytes(m.content) != m.Digest {
		err = s.noteDamage(ctx, m.Digest, "manifest", errManifestBytes)
		return m, fmt.Errorf("manifest %s is damaged in the database: push or import it again: %w", m.Digest, cmp.Or(err, registry.ErrNotFound))
	}
	return m, nil
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
	f, err := s.openWhole(ctx, d, size)
	return f, size, err
}

// openWhole opens the file of a blob that has so many bytes.
func (s *Store) openWhole(ctx context.Context, d digest.Digest, size int64) (*os.File, error) {
	f, err := os.Open(s.blobPath(d))
	if err != nil {
		return nil, s.unreadable(ctx, d, err)
	}
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		f.Close()
		return nil, s.unreadable(ctx, d, cmp.Or(err, sizeError(info, size)))
	}
	return f, nil
}

// StatBlob is the size of a blob that is whole, as far as its size tells.
func (s *Store) StatBlob(ctx context.Context, repository string, d digest.Digest) (int64, error) {
	size, err := s.linkedSize(ctx, repository, d)
	if err != nil {
		return 0, err
	}
	return size, s.checkFile(ctx, d, size)
}

// checkFile compares the file of a blob with the size that its row states.
func (s *Store) checkFile(ctx context.Context, d digest.Digest, size int64) error {
	info, err := os.Stat(s.blobPath(d))
	if err == nil && info.Size() == size {
		return nil
	}
	return s.unreadable(ctx, d, cmp.Or(err, sizeError(info, size)))
}

// wrongSize is a file that is not as long as its blob.
type wrongSize struct{ have, want int64 }

func (w wrongSize) Error() string {
	return fmt.Sprintf("its file has %d bytes, the blob %d", w.have, w.want)
}

func sizeError(info os.FileInfo, size int64) error {
	if info == nil || info.Size() == size {
		return nil
	}
	return wrongSize{info.Size(), size}
}

// unreadable tells a damaged blob from a process that is out of files.
func (s *Store) unreadable(ctx context.Context, d digest.Digest, err error) error {
	if errors.As(err, &wrongSize{}) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return s.broken(ctx, d, err)
	}
	return fmt.Errorf("blob %s: %w", d, err)
}

// linkedSize is the size of a blob that a repository has.
func (s *Store) linkedSize(ctx context.Context, repository string, d digest.Digest) (size int64, err error) {
	path := registry.RepositoryPath(repository)
	err = s.guard.ask(func(epoch uint64) (err error) {
		if size, err = s.findBlob(ctx, blobKey(path, d)); err == nil {
			err = s.guard.answerBlob(path, d, epoch)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s@%s: %w", repository, d, err)
	}
	return size, nil
}

// findBlob reads a blob's size from memory or the database.
func (s *Store) findBlob(ctx context.Context, key cacheKey) (int64, error) {
	c, ok := s.cache.get(key)
	if !ok {
		c = &cached{key: key}
		generation := s.cache.generation.Load()
		err := s.queries.repositoryBlob.QueryRowContext(unwatched(ctx), key.repository, key.reference).Scan(&c.blobSize)
		if errors.Is(err, sql.ErrNoRows) {
			err = registry.ErrNotFound
		}
		if err != nil {
			return 0, err
		}
		s.cache.put(generation, c)
	}
	return c.blobSize, nil
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
