// Package memory keeps content in memory: the smallest complete registry, for
// tests and for content that is made on the spot. It is not meant for
// payloads; nothing bounds it but what is put in.
package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Registry is an in-memory Reader, Writer, Mounter, Lister and Deleter. Its
// zero value is empty and ready.
type Registry struct {
	mu           sync.RWMutex // protects everything below
	repositories map[string]*repository
}

type repository struct {
	tags      map[string]digest.Digest
	manifests map[digest.Digest]stored
	blobs     map[digest.Digest][]byte
}

type stored struct {
	registry.Descriptor
	content  []byte
	manifest *registry.Manifest
}

var (
	_ registry.Reader  = (*Registry)(nil)
	_ registry.Writer  = (*Registry)(nil)
	_ registry.Mounter = (*Registry)(nil)
	_ registry.Lister  = (*Registry)(nil)
	_ registry.Deleter = (*Registry)(nil)
)

// Resolve implements registry.Reader.
func (m *Registry) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	s, err := m.manifest(ref)
	return s.Descriptor, err
}

// Manifest implements registry.Reader.
func (m *Registry) Manifest(_ context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	s, err := m.manifest(ref)
	return s.Descriptor, bytes.Clone(s.content), err
}

func (m *Registry) manifest(ref registry.Ref) (stored, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if repo := m.repositories[ref.Repository]; repo != nil {
		d := cmp.Or(ref.Digest, repo.tags[ref.Tag])
		if s, ok := repo.manifests[d]; ok {
			return s, nil
		}
	}
	return stored{}, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
}

// Blob implements registry.Reader.
func (m *Registry) Blob(_ context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if repo := m.repositories[repository]; repo != nil {
		if content, ok := repo.blobs[d.Digest]; ok {
			return registry.VerifyReadCloser(io.NopCloser(bytes.NewReader(content)), d), nil
		}
	}
	return nil, fmt.Errorf("%s@%s: %w", repository, d.Digest, registry.ErrNotFound)
}

// Referrers implements registry.Reader.
func (m *Registry) Referrers(_ context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []registry.Descriptor
	if repo := m.repositories[repository]; repo != nil {
		for _, s := range repo.manifests {
			if s.manifest.Subject != nil && s.manifest.Subject.Digest == subject {
				d := s.Descriptor
				d.ArtifactType, d.Annotations = s.manifest.ArtifactType, s.manifest.Annotations
				list = append(list, d)
			}
		}
	}
	slices.SortFunc(list, func(a, b registry.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return list, nil
}

// Exists implements registry.Writer.
func (m *Registry) Exists(_ context.Context, repository string, d registry.Descriptor) (bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	repo := m.repositories[repository]
	if repo == nil {
		return false, nil
	}
	if registry.IsManifest(d.MediaType) {
		_, ok := repo.manifests[d.Digest]
		return ok, nil
	}
	_, ok := repo.blobs[d.Digest]
	return ok, nil
}

// PutBlob implements registry.Writer.
func (m *Registry) PutBlob(_ context.Context, repository string, d registry.Descriptor, r io.Reader) error {
	content, err := io.ReadAll(registry.NewVerifyReader(registry.Unverified(r, d), d))
	if err != nil {
		return fmt.Errorf("%s: %w", repository, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.repository(repository).blobs[d.Digest] = content
	return nil
}

// repository returns the named repository and makes it when it is new; the
// caller holds the lock.
func (m *Registry) repository(name string) *repository {
	if m.repositories == nil {
		m.repositories = map[string]*repository{}
	}
	repo := m.repositories[name]
	if repo == nil {
		repo = &repository{map[string]digest.Digest{}, map[digest.Digest]stored{}, map[digest.Digest][]byte{}}
		m.repositories[name] = repo
	}
	return repo
}

// PutManifest implements registry.Writer.
func (m *Registry) PutManifest(_ context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	parsed, err := registry.CheckManifest(ref, d, content)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if missing := m.missing(ref.Repository, parsed); len(missing) > 0 {
		return fmt.Errorf("%s: %w: %v", ref, registry.ErrIncomplete, missing)
	}
	repo := m.repository(ref.Repository)
	repo.manifests[d.Digest] = stored{registry.Bare(d), bytes.Clone(content), parsed}
	if ref.Tag != "" {
		repo.tags[ref.Tag] = d.Digest
	}
	return nil
}

func (m *Registry) missing(repository string, parsed *registry.Manifest) (missing []digest.Digest) {
	repo := m.repositories[repository]
	for _, b := range parsed.Blobs {
		if repo == nil || repo.blobs[b.Digest] == nil {
			missing = append(missing, b.Digest)
		}
	}
	return missing
}

// Mount implements registry.Mounter.
func (m *Registry) Mount(_ context.Context, repository, from string, d registry.Descriptor) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, repo := range m.repositories {
		if content, ok := repo.blobs[d.Digest]; ok && (from == "" || from == name) {
			m.repository(repository).blobs[d.Digest] = content
			return true, nil
		}
	}
	return false, nil
}

// Repositories implements registry.Lister.
func (m *Registry) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return registry.Names(slices.Collect(maps.Keys(m.repositories)), after)
}

// Tags implements registry.Lister.
func (m *Registry) Tags(_ context.Context, repository, after string) iter.Seq2[string, error] {
	m.mu.RLock()
	defer m.mu.RUnlock()
	repo := m.repositories[repository]
	if repo == nil {
		return registry.NoNames(fmt.Errorf("repository %s: %w", repository, registry.ErrNotFound))
	}
	return registry.Names(slices.Collect(maps.Keys(repo.tags)), after)
}

// Delete implements registry.Deleter.
func (m *Registry) Delete(_ context.Context, ref registry.Ref) error {
	if _, err := m.manifest(ref); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	repo := m.repositories[ref.Repository]
	if ref.Digest == "" {
		delete(repo.tags, ref.Tag)
		return nil
	}
	delete(repo.manifests, ref.Digest)
	maps.DeleteFunc(repo.tags, func(_ string, d digest.Digest) bool { return d == ref.Digest })
	return nil
}
