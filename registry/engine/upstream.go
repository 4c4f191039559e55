package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Upstream brings content on demand that the site does not have, for the full or
// served names of repositories. It is asked by reads only. ErrNotFound says that the
// site's own answer is right, and comes at once for what is none of its business.
// Any other error counts only where the site has nothing.
type Upstream interface {
	// Resolve and Manifest are asked before the site is, since a tag may have moved:
	// they return what a reference stands for now, unless the site has it already.
	// Manifest is for a client that goes on with the content.
	Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error)
	Manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error)
	// Blob is asked for a blob that the site does not have. open brings it, and reads
	// it from an offset on while it comes: the last bytes only once all are proven.
	Blob(ctx context.Context, repository string, d digest.Digest) (size int64, open func(ctx context.Context, offset int64) (io.ReadCloser, error), err error)
	// Referrers are those that the site may not have yet.
	Referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error)
}

// upstreamError is what an Upstream could not do, for which the site has nothing.
type upstreamError struct{ err error }

func (e *upstreamError) Error() string { return e.err.Error() }
func (e *upstreamError) Unwrap() error { return e.err }

// unless is the error of a read that neither side could do: the site's, unless
// the upstream has more to say than that it is not there.
func unless(site, upstream error) error {
	if errors.Is(site, registry.ErrNotFound) && upstream != nil && !errors.Is(upstream, registry.ErrNotFound) {
		return &upstreamError{upstream}
	}
	return site
}

// resolve finds what a reference stands for.
func (e *Engine) resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error) {
	if e.upstream == nil {
		return e.view.Resolve(ctx, ref)
	}
	d, upErr := e.upstream.Resolve(ctx, ref)
	if upErr == nil {
		return d, nil
	}
	d, err := e.view.Resolve(ctx, ref)
	return d, unless(err, upErr)
}

// manifest is resolve with the bytes.
func (e *Engine) manifest(ctx context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	if e.upstream == nil {
		return e.view.Manifest(ctx, ref)
	}
	d, content, upErr := e.upstream.Manifest(ctx, ref)
	if upErr == nil {
		return d, content, nil
	}
	d, content, err := e.view.Manifest(ctx, ref)
	return d, content, unless(err, upErr)
}

// referrers are those of both sides.
func (e *Engine) referrers(ctx context.Context, repository string, subject digest.Digest) ([]registry.Descriptor, error) {
	list, err := e.view.Referrers(ctx, repository, subject)
	if err != nil || e.upstream == nil {
		return list, err
	}
	more, upErr := e.upstream.Referrers(ctx, repository, subject)
	if len(list) == 0 {
		err = registry.ErrNotFound
	}
	if upErr != nil {
		return list, unless(err, upErr)
	}
	return append(list, more...), nil
}

// coming is a blob that is not at the site yet.
type coming struct {
	digest digest.Digest
	size   int64
	open   func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// bring asks for a blob that the site does not have, as site says.
func (e *Engine) bring(ctx context.Context, repository string, d digest.Digest, site error) (*coming, error) {
	if e.upstream == nil || !errors.Is(site, registry.ErrNotFound) {
		return nil, site
	}
	size, open, err := e.upstream.Blob(ctx, repository, d)
	if err != nil {
		return nil, unless(site, err)
	}
	return &coming{d, size, open}, nil
}

// sendComing is sendBlob of a blob while it comes. Nothing is announced before its
// first byte is there; if it breaks off or turns out wrong later, so does the
// connection, short of the end.
func (e *Engine) sendComing(w http.ResponseWriter, r *http.Request, c *coming) error {
	part, err := requested(w, r, c.digest, c.size)
	if err != nil {
		return err
	}
	body, err := c.open(r.Context(), part.start)
	if err != nil {
		return &upstreamError{err}
	}
	defer body.Close()
	first := bufio.NewReaderSize(body, 32<<10)
	if _, err := first.Peek(1); err != nil && part.n > 0 {
		return &upstreamError{err}
	}
	part.announce(w, c.digest, c.size)
	if sent, err := io.CopyN(w, first, part.n); err != nil && r.Context().Err() == nil {
		e.log.LogAttrs(r.Context(), slog.LevelWarn, "a blob that comes was not sent whole", slog.String("digest", c.digest.String()),
			slog.Int64("sent", sent), slog.Int64("of", part.n), slog.Any("err", err))
	}
	return nil
}
