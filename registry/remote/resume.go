package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// blob reads a blob through as many requests as it takes. It proves nothing:
// it is wrapped in a registry.VerifyReader.
type blob struct {
	size    int64
	retries int
	get     func(offset int64) (*http.Response, error)
	wait    func(attempt int) error
	fail    func(error) error

	body     io.ReadCloser // nil: to be opened
	offset   int64         // of the next byte that is returned
	partial  bool          // the end of body need not be the end of the blob
	moved    bool          // body brought a byte
	attempts int           // that brought none, one after the other
}

func (b *blob) Read(p []byte) (int, error) {
	for {
		if b.body == nil && b.offset >= b.size {
			return 0, io.EOF
		}
		if err := b.open(); err != nil {
			return 0, err
		}
		n, err := b.body.Read(p)
		if n > 0 {
			b.offset, b.moved = b.offset+int64(n), true
		}
		if err == io.EOF && (b.offset >= b.size || !b.partial) {
			return n, io.EOF
		}
		if err != nil {
			err = b.broken(err)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// open asks for what is still missing.
func (b *blob) open() error {
	for b.body == nil {
		resp, err := b.get(b.offset)
		if err != nil {
			return err
		}
		b.body, b.moved = resp.Body, false
		b.partial = resp.StatusCode == http.StatusPartialContent || closeDelimited(resp)
		if resp.StatusCode == http.StatusOK && b.offset > 0 {
			// It cannot do ranges: what was had already comes again.
			if _, err := io.CopyN(io.Discard, b.body, b.offset); err != nil {
				if err := b.broken(err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// closeDelimited reports whether a lost connection would look like the end.
func closeDelimited(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
}

// broken takes leave of a connection; an error when it has been too many.
func (b *blob) broken(err error) error {
	b.body.Close()
	b.body = nil
	b.attempts++
	if b.moved {
		b.attempts = 0
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if b.attempts >= b.retries {
		return b.fail(fmt.Errorf("the transfer broke off at byte %d of %d, %d times without progress: %w", b.offset, b.size, b.attempts, err))
	}
	if err := b.wait(max(1, b.attempts)); err != nil {
		return b.fail(err)
	}
	return nil
}

func (b *blob) Close() error {
	body := b.body
	b.body, b.offset = nil, b.size
	if body == nil {
		return nil
	}
	return body.Close()
}

// getBlob requests a blob from an offset on, and refuses an answer that does
// not fit the descriptor before a byte of it is used.
func (r *Registry) getBlob(ctx context.Context, c *call, size, offset int64) (*http.Response, error) {
	statuses := []int{http.StatusOK}
	if offset > 0 {
		c.header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, size-1))
		statuses = append(statuses, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	}
	resp, err := r.do(ctx, c, statuses...)
	if err != nil {
		return nil, err
	}
	if err := c.checkRange(resp, size, offset); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func (c *call) checkRange(resp *http.Response, size, offset int64) error {
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return fmt.Errorf("%s: %w: %s has nothing after byte %d, %d bytes were asked for", c.what, registry.ErrSize, c.who(), offset, size)
	case resp.StatusCode == http.StatusOK && resp.ContentLength >= 0 && resp.ContentLength != size:
		return fmt.Errorf("%s: %w: %s states %d bytes, %d were asked for", c.what, registry.ErrSize, c.who(), resp.ContentLength, size)
	case resp.StatusCode == http.StatusPartialContent:
		if have, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)); !ok || !endsWithin(have, size) {
			return fmt.Errorf("%s: %w: %s answers a request for bytes %d to %d with Content-Range %q",
				c.what, registry.ErrSize, c.who(), offset, size-1, resp.Header.Get("Content-Range"))
		}
	}
	return nil
}

// endsWithin reports whether "<last>/<total>" fits a blob of size bytes. A
// range may be answered in part (RFC 9110, 14.2).
func endsWithin(s string, size int64) bool {
	var last, total int64
	if _, err := fmt.Sscanf(s, "%d/%d", &last, &total); err != nil {
		total = size
		if _, err := fmt.Sscanf(s, "%d/*", &last); err != nil {
			return false
		}
	}
	return total == size && last < size
}
