package archive

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// Resolve implements registry.Reader.
func (a *Archive) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	n, err := a.node(ref)
	if err != nil {
		return registry.Descriptor{}, err
	}
	return n.Descriptor, nil
}

// Manifest implements registry.Reader.
func (a *Archive) Manifest(_ context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	n, err := a.node(ref)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	return n.Descriptor, slices.Clone(n.Content), nil
}

func (a *Archive) node(ref registry.Ref) (*registry.Node, error) {
	d := cmp.Or(ref.Digest, a.tags[registry.Ref{Repository: ref.Repository, Tag: ref.Tag}])
	n := a.manifests[d]
	if n == nil || !slices.Contains(n.Repositories, ref.Repository) {
		return nil, fmt.Errorf("%s: %s: %w", a.name, ref, registry.ErrNotFound)
	}
	return n, nil
}

// Blob implements registry.Reader.
func (a *Archive) Blob(_ context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	at, ok := a.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %s@%s: %w", a.name, repository, d.Digest, registry.ErrNotFound)
	}
	if at.size != d.Size {
		return nil, fmt.Errorf("%s: %s: %w: %d bytes, want %d", a.name, d.Digest, registry.ErrSize, at.size, d.Size)
	}
	return registry.VerifyReadCloser(io.NopCloser(a.section(at)), d), nil
}

// Referrers implements registry.Reader.
func (a *Archive) Referrers(_ context.Context, repository string, subject digest.Digest) (list []registry.Descriptor, err error) {
	for _, d := range a.subjects[subject] { // by digest
		if n := a.manifests[d.Digest]; slices.Contains(n.Repositories, repository) {
			d.ArtifactType, d.Annotations = n.Manifest.ArtifactType, n.Manifest.Annotations
			list = append(list, d)
		}
	}
	return list, nil
}

// Repositories implements registry.Lister.
func (a *Archive) Repositories(_ context.Context, after string) iter.Seq2[string, error] {
	var names []string
	for _, n := range a.graph.Manifests {
		names = append(names, n.Repositories...)
	}
	return registry.Names(names, after)
}

// Tags implements registry.Lister.
func (a *Archive) Tags(_ context.Context, repository, after string) iter.Seq2[string, error] {
	var tags []string
	known := false
	for _, n := range a.graph.Names {
		if n.Ref.Repository != repository {
			continue
		}
		if known = true; n.Ref.Tag != "" {
			tags = append(tags, n.Ref.Tag)
		}
	}
	if !known {
		return registry.NoNames(fmt.Errorf("%s: repository %s: %w", a.name, repository, registry.ErrNotFound))
	}
	return registry.Names(tags, after)
}

// Verify reads all blobs and proves them. progress is told of the bytes that were
// read; nil for silence.
func (a *Archive) Verify(ctx context.Context, progress func(bytes int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	for _, b := range a.graph.Blobs {
		r, err := a.Blob(ctx, b.Repositories[0], b.Descriptor)
		if err != nil {
			return err
		}
		if err := durable.Copy(ctx, told(progress), r); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// told is a writer that tells how much it is given.
type told func(bytes int64)

func (t told) Write(p []byte) (int, error) {
	t(int64(len(p)))
	return len(p), nil
}
