package engine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// startUpload answers every POST of "Pushing blobs" of the distribution-spec:
// a mount, a whole blob in one request, or the begin of a session. A mount
// that cannot be done begins a session.
func (e *Engine) startUpload(w http.ResponseWriter, r *http.Request, t *target) error {
	repository := t.repository
	if err := e.allowPush(r, repository); err != nil {
		return err
	}
	if t.query.Has("mount") {
		d, err := parseDigest(t.query.Get("mount"))
		if err != nil {
			return err
		}
		mounted, err := e.mount(r, t, d)
		if err != nil {
			return err
		}
		if mounted {
			created(w, repository, d)
			return nil
		}
	}
	if t.query.Has("digest") {
		return e.pushWhole(w, r, t)
	}
	algorithm, err := t.algorithm()
	if err != nil {
		return err
	}
	u, err := e.store.StartUpload(r.Context(), repository, algorithm)
	if err != nil {
		return err
	}
	progress(w, repository, u)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// algorithm is what the session will be closed with, as far as it is known.
func (t *target) algorithm() (digest.Algorithm, error) {
	switch a := digest.Algorithm(t.query.Get("digest-algorithm")); a {
	case "":
		return digest.Canonical, nil
	case digest.SHA256, digest.SHA512:
		return a, nil
	default:
		return "", refuse(http.StatusBadRequest, errcode.ErrorCodeDigestInvalid, "digest-algorithm %q is not supported (sha256, sha512)", string(a))
	}
}

// mount takes a blob over from another repository. One that the client may
// not pull from is as if it had not the blob. A mount that names no repository
// reaches into all of them: it needs the right to see all.
func (e *Engine) mount(r *http.Request, t *target, d digest.Digest) (bool, error) {
	from := t.query.Get("from")
	access := wholeCatalog
	if from != "" {
		if !validName(from) {
			return false, nil
		}
		access = onRepository(from, "pull")
	}
	if e.allow(r, access) != nil {
		return false, nil
	}
	return e.store.Mount(r.Context(), t.repository, from, registry.Descriptor{Digest: d})
}

// pushWhole stores a blob that comes with the POST. Its session ends with it.
func (e *Engine) pushWhole(w http.ResponseWriter, r *http.Request, t *target) error {
	d, err := parseDigest(t.query.Get("digest"))
	if err != nil {
		return err
	}
	u, err := e.store.StartUpload(r.Context(), t.repository, d.Algorithm())
	if err != nil {
		return err
	}
	if _, err = u.Append(r.Context(), 0, e.patient(w, r)); err == nil {
		_, err = u.Commit(r.Context(), d)
	}
	if err != nil {
		return giveUp(r, u, err)
	}
	created(w, t.repository, d)
	return nil
}

// openUpload is the session that the address names.
func (e *Engine) openUpload(r *http.Request, t *target) (*store.Upload, error) {
	if err := e.allowPush(r, t.repository); err != nil {
		return nil, err
	}
	return e.store.Upload(r.Context(), t.repository, t.arg)
}

func (e *Engine) patchUpload(w http.ResponseWriter, r *http.Request, t *target) error {
	u, err := e.openUpload(r, t)
	if err != nil {
		return err
	}
	err = e.appendChunk(w, r, t, u)
	progress(w, t.repository, u)
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
	}
	return err
}

// putUpload closes a session, with the last chunk or without.
func (e *Engine) putUpload(w http.ResponseWriter, r *http.Request, t *target) error {
	d, err := parseDigest(t.query.Get("digest"))
	if err != nil {
		return err
	}
	u, err := e.openUpload(r, t)
	if err != nil {
		return err
	}
	if r.ContentLength != 0 {
		if err := e.appendChunk(w, r, t, u); err != nil {
			progress(w, t.repository, u)
			return err
		}
	}
	if _, err := u.Commit(r.Context(), d); err != nil {
		return busy(err)
	}
	created(w, t.repository, d)
	return nil
}

func (e *Engine) statusUpload(w http.ResponseWriter, r *http.Request, t *target) error {
	u, err := e.openUpload(r, t)
	if err != nil {
		return err
	}
	progress(w, t.repository, u)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *Engine) cancelUpload(w http.ResponseWriter, r *http.Request, t *target) error {
	u, err := e.openUpload(r, t)
	if err != nil {
		return err
	}
	if err := u.Cancel(r.Context()); err != nil {
		return busy(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// appendChunk writes the body where the client means it to go: where its
// Content-Range says, else where the address says that it was given. Only the
// present end of the session is right; a client that missed an answer is told
// where that is.
func (e *Engine) appendChunk(w http.ResponseWriter, r *http.Request, t *target, u *store.Upload) error {
	offset, ok := parseNumber(t.query.Get("offset"))
	if !ok {
		offset = u.Size()
	}
	end := int64(-1)
	if header := r.Header.Get("Content-Range"); header != "" {
		start, last, ok := parseContentRange(header)
		if !ok {
			return refuse(http.StatusRequestedRangeNotSatisfiable, errcode.ErrorCodeBlobUploadInvalid, "Content-Range %q is not <start>-<end>", header)
		}
		if r.ContentLength >= 0 && r.ContentLength != last-start+1 {
			return refuse(http.StatusBadRequest, errcode.ErrorCodeSizeInvalid, "Content-Range %q with a body of %d bytes", header, r.ContentLength)
		}
		offset, end = start, last+1
	}
	size, err := u.Append(r.Context(), offset, e.patient(w, r))
	if err == nil && end >= 0 && size != end {
		err = refuse(http.StatusBadRequest, errcode.ErrorCodeSizeInvalid, "the body ended at byte %d, not %d", size, end)
	}
	if errors.Is(err, registry.ErrNoSpace) { // nobody resumes after this, and it would keep the disk full
		err = giveUp(r, u, err)
	}
	return busy(err)
}

// giveUp ends a session that nobody will go on with.
func giveUp(r *http.Request, u *store.Upload, err error) error {
	cancelErr := u.Cancel(context.WithoutCancel(r.Context()))
	if errors.Is(cancelErr, registry.ErrNotFound) {
		return err // it has ended by itself
	}
	return errors.Join(err, cancelErr)
}

// progress tells where the session is. The offset in the address is what a
// client that does not send Content-Range is checked by.
func progress(w http.ResponseWriter, repository string, u *store.Upload) {
	size := u.Size()
	h := w.Header()
	h.Set("Location", "/v2/"+repository+"/blobs/uploads/"+u.ID()+"?offset="+strconv.FormatInt(size, 10))
	h.Set("Range", "0-"+strconv.FormatInt(max(size-1, 0), 10))
	h.Set("Docker-Upload-UUID", u.ID())
}

// created says where the blob is now.
func created(w http.ResponseWriter, repository string, d digest.Digest) {
	h := w.Header()
	h.Set("Location", "/v2/"+repository+"/blobs/"+d.String())
	h.Set("Docker-Content-Digest", d.String())
	w.WriteHeader(http.StatusCreated)
}

// patient is the body of r, which fails once it brings no byte for the
// engine's ReadTimeout.
func (e *Engine) patient(w http.ResponseWriter, r *http.Request) *patientReader {
	return &patientReader{body: r.Body, conn: http.NewResponseController(w), timeout: e.timeout}
}

type patientReader struct {
	body    io.Reader
	conn    *http.ResponseController
	timeout time.Duration
}

// extend moves the deadline on. Where there is none to set, as in tests
// without a connection, there is nothing to wait for either.
func (p *patientReader) extend() { _ = p.conn.SetReadDeadline(time.Now().Add(p.timeout)) }

// Read moves the deadline on. At the end it takes it away: net/http goes on
// reading to notice a client that leaves, and would give up a long commit.
func (p *patientReader) Read(b []byte) (int, error) {
	p.extend()
	n, err := p.body.Read(b)
	if err == io.EOF {
		_ = p.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
