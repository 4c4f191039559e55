package remote

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/landfall-dev/landfall/registry"
)

var (
	errStopped  = errors.New("this attempt is over")
	errConsumed = errors.New("the registry asked for bytes again that cannot be read twice")
	errBroken   = errors.New("upload broke off")
)

// brokenUpload is an upload that may succeed in a new session.
type brokenUpload struct{ error }

func (e *brokenUpload) Unwrap() error        { return e.error }
func (e *brokenUpload) Is(target error) bool { return target == errBroken }

// upload is the source of a blob, for as many attempts as it allows. Each
// attempt reads through a body of its own; http.Transport may go on reading
// one for a while after it has returned, and then only gets errStopped.
type upload struct {
	d      registry.Descriptor
	source io.Reader
	seeker io.Seeker // nil: source can be read once
	start  int64     // where source stood

	mu       sync.Mutex  // held while source is read; protects the fields below
	body     *uploadBody // the one that may read; nil between attempts
	last     *uploadBody // the one that read last
	consumed bool        // source has moved
	proven   bool        // the last body gave all bytes, and they were right
	err      error       // of the source or of the proof: not the registry's fault
}

// newUpload proves d itself, so that bytes which their source would prove as
// well are hashed once.
func newUpload(r io.Reader, d registry.Descriptor) *upload {
	u := &upload{d: d, source: registry.Unverified(r, d)}
	if s, ok := u.source.(io.Seeker); ok {
		if at, err := s.Seek(0, io.SeekCurrent); err == nil {
			u.seeker, u.start = s, at
		}
	}
	return u
}

// open starts an attempt from the first byte.
func (u *upload) open() (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.consumed {
		if u.seeker == nil {
			return nil, errConsumed
		}
		if _, err := u.seeker.Seek(u.start, io.SeekStart); err != nil {
			u.err = fmt.Errorf("read again from the start: %w", err)
			return nil, u.err
		}
	}
	u.consumed, u.proven = false, false
	u.body = &uploadBody{upload: u, proof: registry.NewVerifyReader(u.source, u.d), left: u.d.Size}
	u.last = u.body
	return u.body, nil
}

// stop ends an attempt: after it nobody reads source. It returns what the
// source failed with.
func (u *upload) stop() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.body = nil
	return u.err
}

func (u *upload) repeatable() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.consumed || u.seeker != nil
}

// proveEmpty is for blobs without bytes: no body will be read for them.
func (u *upload) proveEmpty() error {
	if u.d.Size > 0 {
		return nil
	}
	if _, err := registry.NewVerifyReader(u.source, u.d).Read(make([]byte, 1)); err != io.EOF {
		return err
	}
	u.proven = true
	return nil
}

// finish is for registries that accept a blob before they have read it all,
// because they have it: the bytes are held against d nevertheless.
func (u *upload) finish(what string) error {
	if u.proven {
		return nil
	}
	u.mu.Lock()
	rest := &uploadBody{upload: u, proof: u.last.proof, left: u.last.left}
	u.body = rest
	u.mu.Unlock()
	if _, err := io.Copy(io.Discard, rest); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// uploadBody gives the bytes out and keeps the last one back until all are
// proven: a registry that checks nothing never has a complete wrong blob.
type uploadBody struct {
	upload *upload
	proof  *registry.VerifyReader
	left   int64
}

func (b *uploadBody) Read(p []byte) (int, error) {
	u := b.upload
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.body != b:
		return 0, errStopped
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	u.consumed = true
	n, err := b.next(p)
	b.left -= int64(n)
	if err != nil {
		u.err = err
	}
	return n, err
}

func (b *uploadBody) next(p []byte) (int, error) {
	if b.left > 1 {
		return b.proof.Read(p[:min(int64(len(p)), b.left-1)])
	}
	if _, err := io.ReadFull(b.proof, p[:1]); err != nil {
		return 0, err
	}
	if _, err := b.proof.Read(p[1:]); err != io.EOF {
		return 0, err
	}
	b.upload.proven = true
	return 1, nil
}

// Close leaves the source open: it is the caller's.
func (b *uploadBody) Close() error { return nil }
