package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Exists asks with HEAD. Content of another size than d's is not there: it has
// to be put again.
func (r *Registry) Exists(ctx context.Context, repository string, d registry.Descriptor) (bool, error) {
	if registry.IsManifest(d.MediaType) {
		have, err := r.Resolve(ctx, registry.Ref{Repository: repository, Digest: d.Digest})
		if errors.Is(err, registry.ErrNotFound) {
			return false, nil
		}
		return err == nil && have.Size == d.Size, err
	}
	c, err := r.call(http.MethodHead, repository, "blobs/"+d.Digest.String(), repository+"@"+d.Digest.String())
	if err != nil {
		return false, err
	}
	c.endpoint = c.target.host.endpoints[0] // where it would be put
	resp, err := r.finish(ctx, c, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK && (resp.ContentLength < 0 || resp.ContentLength == d.Size), nil
}

// PutBlob streams a blob up in one request (OCI distribution-spec, "POST then
// PUT"). It is tried again only while nothing of reader was consumed, or when
// reader can Seek. The last byte is sent only after all were proven to be d's.
func (r *Registry) PutBlob(ctx context.Context, repository string, d registry.Descriptor, reader io.Reader) error {
	c, err := r.call(http.MethodPost, repository, "blobs/uploads/", repository+"@"+d.Digest.String())
	if err != nil {
		return err
	}
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	u := newUpload(reader, d)
	if err := u.proveEmpty(); err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	for attempt := 1; ; attempt++ {
		err := r.upload(ctx, c, u)
		if err == nil || attempt >= r.opts.Retries || ctx.Err() != nil || !errors.Is(err, errBroken) || !u.repeatable() {
			return err
		}
		wait, _ := retryAfter(nil, attempt)
		if err := r.pause(ctx, wait); err != nil {
			return c.failed(ctx, err)
		}
	}
}

// upload is one attempt: a session, the bytes, and no session left behind.
func (r *Registry) upload(ctx context.Context, c *call, u *upload) error {
	location, err := r.startUpload(ctx, c, http.StatusAccepted)
	if err != nil {
		return err
	}
	put := c.at(http.MethodPut, withDigest(location, u.d.Digest))
	put.header.Set("Content-Type", "application/octet-stream")
	put.size, put.body = u.d.Size, u.open
	_, err = r.finish(once(ctx), put, http.StatusCreated, http.StatusNoContent)
	if failed := u.stop(); failed != nil {
		err = fmt.Errorf("%s: %w", c.what, failed)
	} else if errors.Is(err, registry.ErrUnreachable) {
		err = &brokenUpload{err}
	}
	if err != nil {
		r.cancelUpload(ctx, c, location)
		return err
	}
	return u.finish(c.what)
}

// startUpload opens a session and returns its address.
func (r *Registry) startUpload(ctx context.Context, c *call, statuses ...int) (*url.URL, error) {
	resp, err := r.finish(ctx, c, statuses...)
	if err != nil || resp.StatusCode == http.StatusCreated {
		return nil, err
	}
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s opens an upload without saying where: %v", c.what, registry.ErrInvalid, c.who(), err)
	}
	return location, nil
}

// withDigest keeps the query as it came: it may be signed.
func withDigest(location *url.URL, d digest.Digest) *url.URL {
	u := *location
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "digest=" + url.QueryEscape(d.String())
	return &u
}

// cancelUpload lets the registry throw away what it got, also when ctx is
// over. Registries that do not support it clean up in their own time.
func (r *Registry) cancelUpload(ctx context.Context, c *call, location *url.URL) {
	ctx, cancel := context.WithTimeout(once(context.WithoutCancel(ctx)), r.opts.Stall)
	defer cancel()
	_, _ = r.finish(ctx, c.at(http.MethodDelete, location), http.StatusNoContent, http.StatusAccepted)
}

// PutManifest stores a manifest under its tag or its digest; under both when
// the registry could not know the digest's algorithm from the tag. A registry
// that does not keep referrers itself gets them kept under their tag.
func (r *Registry) PutManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) error {
	m, err := checkManifest(ref, d, content)
	if err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	byDigest := registry.Ref{Repository: ref.Repository, Digest: d.Digest}
	byTag := registry.Ref{Repository: ref.Repository, Tag: ref.Tag}
	var keepsReferrers bool
	if ref.Tag == "" || d.Digest.Algorithm() != digest.Canonical {
		if keepsReferrers, err = r.putManifest(ctx, byDigest, d, content); err != nil {
			return err
		}
	}
	if ref.Tag != "" {
		if keepsReferrers, err = r.putManifest(ctx, byTag, d, content); err != nil {
			return err
		}
	}
	if m.Subject == nil || keepsReferrers {
		return nil
	}
	return r.addReferrer(ctx, ref.Repository, d, m)
}

// putManifest reports whether the registry says that it noted the subject.
func (r *Registry) putManifest(ctx context.Context, ref registry.Ref, d registry.Descriptor, content []byte) (bool, error) {
	c, err := r.manifestCall(http.MethodPut, ref)
	if err != nil {
		return false, err
	}
	c.header = http.Header{"Content-Type": {d.MediaType}}
	c.size = int64(len(content))
	c.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	resp, err := r.finish(ctx, c, http.StatusCreated, http.StatusOK, http.StatusNoContent)
	if err != nil {
		return false, err
	}
	return resp.Header.Get("OCI-Subject") != "", nil
}

func checkManifest(ref registry.Ref, d registry.Descriptor, content []byte) (*registry.Manifest, error) {
	if ref.Tag == "" && ref.Digest == "" || ref.Tag != "" && !registry.ValidTag(ref.Tag) {
		return nil, fmt.Errorf("%w: neither a tag nor a digest", registry.ErrInvalid)
	}
	if _, err := registry.ParseDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	if int64(len(content)) != d.Size {
		return nil, fmt.Errorf("%w: %d bytes, the descriptor states %d", registry.ErrSize, len(content), d.Size)
	}
	if got := d.Digest.Algorithm().FromBytes(content); got != d.Digest || ref.Digest != "" && ref.Digest != got {
		return nil, fmt.Errorf("%w: the bytes hash to %s", registry.ErrDigest, got)
	}
	return registry.ParseManifest(d.MediaType, content)
}

// Mount takes a blob over from another repository of the same registry. A
// registry that may not or cannot has the bytes put; it is no error.
func (r *Registry) Mount(ctx context.Context, repository, from string, d registry.Descriptor) (bool, error) {
	if from == "" {
		return false, nil
	}
	c, err := r.call(http.MethodPost, repository, "blobs/uploads/", repository+"@"+d.Digest.String())
	if err != nil {
		return false, err
	}
	source, err := r.target(from)
	if err != nil || source.host != c.target.host {
		return false, err
	}
	if source.path != c.target.path {
		c.needs = append(c.needs, access{source.path, actions(http.MethodGet)})
	}
	c.query = "mount=" + url.QueryEscape(d.Digest.String()) + "&from=" + url.QueryEscape(c.target.host.endpoints[0].prefix+source.path)
	location, err := r.startUpload(ctx, c, http.StatusCreated, http.StatusAccepted)
	if errors.Is(err, registry.ErrDenied) || errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrInvalid) {
		return false, nil
	}
	if err != nil || location == nil {
		return err == nil, err
	}
	r.cancelUpload(ctx, c, location)
	return false, nil
}
