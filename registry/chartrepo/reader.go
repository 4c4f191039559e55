package chartrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Resolve makes the artifact of the version that ref names; see Manifest.
func (r *Repository) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	a, err := r.find(ctx, ref)
	if err != nil {
		return registry.Descriptor{}, err
	}
	return a.Descriptor, nil
}

// Manifest makes the artifact of the version that ref names. That takes a request
// for the archive's size, one for its provenance, and the archive itself where the
// index or the server does not state its digest or size; the result is remembered.
// A digest that was not made yet is looked for by making one version after the
// other. ErrInvalid when the entry cannot be used, because its fields are wrong or
// its archive is on another host.
func (r *Repository) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	a, err := r.find(ctx, ref)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	return a.Descriptor, bytes.Clone(a.manifest), nil
}

func (r *Repository) find(ctx context.Context, ref registry.Ref) (*artifact, error) {
	c := r.charts[ref.Repository]
	if c == nil {
		return nil, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
	}
	if ref.Digest != "" {
		_, a, err := r.search(ctx, c, ref, func(a *artifact) bool { return a.Digest == ref.Digest })
		return a, err
	}
	v := c.tags[ref.Tag]
	if v == nil {
		return nil, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
	}
	return r.artifact(ctx, v)
}

// search finds the artifact that is wanted: among those that were made, then under
// ref's tag, then by making the others.
func (r *Repository) search(ctx context.Context, c *chart, ref registry.Ref, wanted func(*artifact) bool) (*version, *artifact, error) {
	for _, v := range c.versions {
		if a := v.made.Load(); a != nil && wanted(a) {
			return v, a, nil
		}
	}
	order := c.versions
	if v := c.tags[ref.Tag]; v != nil {
		order = append([]*version{v}, order...)
	}
	for _, v := range order {
		switch a, err := r.artifact(ctx, v); {
		case err == nil && wanted(a):
			return v, a, nil
		case errors.Is(err, registry.ErrUnreachable), errors.Is(err, registry.ErrDenied), ctx.Err() != nil:
			return nil, nil, err // it may have been this one
		}
	}
	return nil, nil, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
}

// Blob opens a version's config, archive or provenance. ErrSize when the server
// states another size of an archive before it has sent anything.
func (r *Repository) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return nil, fmt.Errorf("%s@%s: %w", repository, d.Digest, err)
	}
	body, err := r.BlobFrom(ctx, repository, d, 0)
	if err != nil {
		return nil, err
	}
	return registry.VerifyReadCloser(body, d), nil
}

// BlobFrom opens a blob at an offset of at most its size, for who goes on from
// there. Nothing is proven: the caller has to hold all the bytes together against
// the digest.
func (r *Repository) BlobFrom(ctx context.Context, repository string, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	what := repository + "@" + d.Digest.String()
	if offset < 0 || offset > d.Size {
		return nil, fmt.Errorf("%s: %w: offset %d of %d bytes", what, registry.ErrInvalid, offset, d.Size)
	}
	v, content, err := r.blob(ctx, repository, d.Digest)
	if err != nil {
		return nil, err
	}
	if content != nil || offset == d.Size {
		return io.NopCloser(bytes.NewReader(content[min(offset, int64(len(content))):])), nil
	}
	body, err := r.openArchive(ctx, v, d, offset)
	if err != nil {
		return nil, about(what, err)
	}
	return body, nil
}

// blob tells which version a blob is of, and its bytes unless it is the archive.
// An archive whose digest the index states is known before its artifact is made.
func (r *Repository) blob(ctx context.Context, repository string, d digest.Digest) (*version, []byte, error) {
	ref := registry.Ref{Repository: repository, Digest: d}
	c := r.charts[repository]
	if c == nil || d == "" {
		return nil, nil, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
	}
	for _, v := range c.versions {
		if v.stated == d && v.err == nil {
			return v, nil, nil
		}
	}
	v, a, err := r.search(ctx, c, ref, func(a *artifact) bool { return a.archive == d || a.small[d] != nil })
	if err != nil {
		return nil, nil, err
	}
	return v, a.small[d], nil
}

// openArchive opens a version's file wherever it can be had.
func (r *Repository) openArchive(ctx context.Context, v *version, d registry.Descriptor, offset int64) (body io.ReadCloser, err error) {
	err = v.try(func(url string) error {
		opened, size, err := r.fetcher.Fetch(ctx, url, offset)
		if err != nil {
			return err
		}
		if size >= 0 && size != d.Size {
			opened.Close()
			return fmt.Errorf("%w: the server states %d bytes, %d were asked for", registry.ErrSize, size, d.Size)
		}
		body = opened
		return nil
	})
	return body, err
}

// Referrers are none: a chart repository has nothing that refers to a version but
// the provenance, which is a layer.
func (r *Repository) Referrers(context.Context, string, digest.Digest) ([]registry.Descriptor, error) {
	return nil, nil
}
