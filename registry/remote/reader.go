package remote

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Resolve asks with HEAD, which registries neither count as a pull nor limit.
// Those that do not support it, or answer without a digest, are asked for the
// manifest itself.
func (r *Registry) Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	c, err := r.manifestCall(http.MethodHead, ref)
	if err != nil {
		return registry.Descriptor{}, err
	}
	resp, err := r.finish(ctx, c, http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented)
	if err != nil {
		return registry.Descriptor{}, err
	}
	if d, ok := headDescriptor(resp, ref); ok {
		return d, nil
	}
	d, _, err := r.Manifest(ctx, ref)
	return d, err
}

// headDescriptor reports false unless the header says all that a descriptor
// says, and nothing that contradicts the reference.
func headDescriptor(resp *http.Response, ref registry.Ref) (registry.Descriptor, bool) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	d := registry.Descriptor{MediaType: mediaType, Size: resp.ContentLength}
	var err error
	d.Digest, err = registry.ParseDigest(resp.Header.Get("Docker-Content-Digest"))
	ok := resp.StatusCode == http.StatusOK && err == nil && registry.IsManifest(mediaType) &&
		d.Size > 0 && d.Size <= registry.MaxManifestSize && (ref.Digest == "" || ref.Digest == d.Digest)
	return d, ok
}

// Manifest reads a manifest, at most registry.MaxManifestSize. ErrDigest when
// the bytes are not those that were asked for, or not those that the registry
// says they are.
func (r *Registry) Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	c, err := r.manifestCall(http.MethodGet, ref)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	return r.readManifest(ctx, c, ref)
}

func (r *Registry) readManifest(ctx context.Context, c *call, ref registry.Ref) (registry.Descriptor, []byte, error) {
	resp, content, err := r.document(ctx, c, registry.MaxManifestSize, http.StatusOK)
	if err != nil {
		return registry.Descriptor{}, nil, err
	}
	if err := c.proveManifest(resp, content, ref); err != nil {
		return registry.Descriptor{}, nil, err
	}
	algorithm := digest.Canonical
	if ref.Digest != "" {
		algorithm = ref.Digest.Algorithm()
	}
	served := resp.Header.Get("Content-Type")
	d := registry.Describe(served, content, algorithm)
	if !registry.IsManifest(d.MediaType) {
		return registry.Descriptor{}, nil, fmt.Errorf("%s: %w: %s serves %q in place of a manifest (%s)",
			c.what, registry.ErrInvalid, c.who(), served, strings.Join(registry.ManifestTypes, ", "))
	}
	return d, content, nil
}

func (r *Registry) manifestCall(method string, ref registry.Ref) (*call, error) {
	asked := ref.Tag
	if ref.Digest != "" {
		asked = ref.Digest.String()
	}
	if asked == "" {
		return nil, fmt.Errorf("%s: %w: neither tag nor digest", ref, registry.ErrInvalid)
	}
	c, err := r.call(method, ref.Repository, "manifests/"+asked, ref.String())
	if err == nil {
		c.header.Set("Accept", strings.Join(registry.ManifestTypes, ", "))
	}
	return c, err
}

// proveManifest holds the bytes against the digest that was asked for and the
// one in the header.
func (c *call) proveManifest(resp *http.Response, content []byte, ref registry.Ref) error {
	stated, err := registry.ParseDigest(resp.Header.Get("Docker-Content-Digest"))
	for _, want := range []digest.Digest{ref.Digest, stated} {
		if want == "" || (want == stated && err != nil) {
			continue
		}
		if got := want.Algorithm().FromBytes(content); got != want {
			return fmt.Errorf("%s: %w: %s sent %d bytes for %s that hash to %s", c.what, registry.ErrDigest, c.who(), len(content), want, got)
		}
	}
	return nil
}

// Blob opens a blob. A transfer that is cut or stalls goes on from the byte
// that it had reached, at another endpoint where there is one, as long as every
// attempt brings it further. ErrSize when the registry states another size
// before it has sent anything.
func (r *Registry) Blob(ctx context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	b, err := r.BlobFrom(ctx, repository, d, 0)
	if err != nil {
		return nil, err
	}
	return registry.VerifyReadCloser(b, d), nil
}

// BlobFrom implements registry.Ranger.
func (r *Registry) BlobFrom(ctx context.Context, repository string, d registry.Descriptor, offset int64) (io.ReadCloser, error) {
	c, err := r.call(http.MethodGet, repository, "blobs/"+d.Digest.String(), repository+"@"+d.Digest.String())
	if err != nil {
		return nil, err
	}
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return nil, fmt.Errorf("%s: %w", c.what, err)
	}
	b := &blob{size: d.Size, offset: offset, retries: r.opts.Retries}
	b.get = func(offset int64) (*http.Response, error) {
		c = c.again()
		return r.getBlob(ctx, c, d.Size, offset)
	}
	b.wait = func(attempt int) error {
		if len(c.target.host.endpoints) > 1 {
			c.endpoint.fail()
			return nil // the next one is not tired
		}
		wait, _ := retryAfter(nil, attempt)
		return r.pause(ctx, wait)
	}
	b.fail = func(err error) error { return c.failed(ctx, err) }
	if b.offset >= b.size && b.size > 0 {
		return b, nil
	}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}
