package engine

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
)

// headManifest and getManifest answer with the stored bytes and media type
// whatever the Accept header says: a digest has one form only.
func (e *Engine) headManifest(w http.ResponseWriter, r *http.Request, t *target) error {
	ref, err := t.parseReference()
	if err != nil {
		return err
	}
	var d registry.Descriptor
	err = e.find(r, t, func(repository string) (err error) {
		ref.Repository = repository
		d, err = e.resolve(r.Context(), ref)
		return err
	})
	if err != nil {
		return err
	}
	describe(w.Header(), []string{d.MediaType}, d.Digest, d.Size)
	if unchanged(r, d.Digest) {
		w.WriteHeader(http.StatusNotModified)
	}
	return nil
}

func (e *Engine) getManifest(w http.ResponseWriter, r *http.Request, t *target) error {
	ref, err := t.parseReference()
	if err != nil {
		return err
	}
	var d registry.Descriptor
	var content []byte
	err = e.find(r, t, func(repository string) (err error) {
		ref.Repository = repository
		d, content, err = e.manifest(r.Context(), ref)
		return err
	})
	if err != nil {
		return err
	}
	describe(w.Header(), []string{d.MediaType}, d.Digest, int64(len(content)))
	if unchanged(r, d.Digest) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = w.Write(content)
	return nil
}

func (e *Engine) headBlob(w http.ResponseWriter, r *http.Request, t *target) error {
	d, err := parseDigest(t.arg)
	if err != nil {
		return err
	}
	var size int64
	err = e.find(r, t, func(repository string) (err error) {
		if size, err = e.view.StatBlob(r.Context(), repository, d); err == nil {
			return nil
		}
		c, err := e.bring(r.Context(), repository, d, err)
		if err == nil {
			size = c.size
		}
		return err
	})
	if err != nil {
		return err
	}
	describe(w.Header(), octetStream, d, size)
	w.Header()["Accept-Ranges"] = bytesUnit
	if unchanged(r, d) {
		w.WriteHeader(http.StatusNotModified)
	}
	return nil
}

func (e *Engine) getBlob(w http.ResponseWriter, r *http.Request, t *target) error {
	d, err := parseDigest(t.arg)
	if err != nil {
		return err
	}
	var b attach.Blob
	var c *coming
	err = e.find(r, t, func(repository string) (err error) {
		if b, err = e.view.OpenBlob(r.Context(), repository, d); err != nil {
			c, err = e.bring(r.Context(), repository, d, err)
		}
		return err
	})
	if err != nil {
		return err
	}
	size := b.Size
	if c != nil {
		size = c.size
	} else {
		defer b.File.Close()
	}
	if unchanged(r, d) {
		describe(w.Header(), octetStream, d, size)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if c != nil {
		return e.sendComing(w, r, c)
	}
	return e.sendBlob(w, r, b)
}

// part is what of a blob is asked for: n bytes from start on.
type part struct {
	start, n int64
	partial  bool
}

// requested is the one range of a blob that is asked for, or all of it.
func requested(w http.ResponseWriter, r *http.Request, d digest.Digest, size int64) (part, error) {
	p := part{n: size}
	if header := r.Header.Get("Range"); header != "" && rangeHolds(r, d) {
		var ok bool
		if p.start, p.n, p.partial, ok = parseRange(header, size); !ok {
			w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
			return p, refuse(http.StatusRequestedRangeNotSatisfiable, errcode.ErrorCodeSizeInvalid, "the blob has %d bytes", size)
		}
	}
	return p, nil
}

// announce says what will be sent.
func (p part) announce(w http.ResponseWriter, d digest.Digest, size int64) {
	describe(w.Header(), octetStream, d, p.n)
	w.Header()["Accept-Ranges"] = bytesUnit
	if p.partial {
		w.Header().Set("Content-Range", "bytes "+strconv.FormatInt(p.start, 10)+"-"+strconv.FormatInt(p.start+p.n-1, 10)+"/"+strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusPartialContent)
	}
}

// sendBlob writes the blob, or the one range of it that is asked for. The
// length is announced first, so that a blob which turns out short cuts the
// connection instead of looking whole. File, limit and a response writer
// that reads from files let net/http use sendfile.
func (e *Engine) sendBlob(w http.ResponseWriter, r *http.Request, b attach.Blob) error {
	part, err := requested(w, r, b.Digest, b.Size)
	if err != nil {
		return err
	}
	if b.Base+part.start > 0 {
		if _, err := b.File.Seek(b.Base+part.start, io.SeekStart); err != nil {
			return err
		}
	}
	part.announce(w, b.Digest, b.Size)
	if sent, err := e.copyBlob(w, b, part.n); err != nil && r.Context().Err() == nil {
		e.log.LogAttrs(r.Context(), slog.LevelWarn, "a blob was not sent whole", slog.String("digest", b.Digest.String()),
			slog.Int64("sent", sent), slog.Int64("of", part.n), slog.Any("err", err))
		e.view.Suspect(r.Context(), b, err)
	}
	return nil
}

// heldBack is how many bytes of a blob are sent last, after a look whether it
// was found damaged meanwhile: then the connection ends short of them.
const heldBack = 64 << 10

// errFoundDamaged ends the sending of a blob that a scrub found damaged.
var errFoundDamaged = errors.New("it was found damaged while it was sent")

func (e *Engine) copyBlob(w http.ResponseWriter, b attach.Blob, n int64) (int64, error) {
	if n <= heldBack {
		return io.CopyN(w, b.File, n)
	}
	sent, err := io.CopyN(w, b.File, n-heldBack)
	if err != nil {
		return sent, err
	}
	if !e.view.Whole(b) {
		return sent, errFoundDamaged
	}
	rest, err := io.CopyN(w, b.File, heldBack)
	return sent + rest, err
}

// describe sets what every answer that stands for content says. Keys are in
// canonical form, to save the conversion.
func describe(h http.Header, mediaType []string, d digest.Digest, size int64) {
	values := [...]string{d.String(), `"` + d.String() + `"`, strconv.FormatInt(size, 10)}
	h["Content-Type"] = mediaType
	h["Docker-Content-Digest"] = values[0:1:1]
	h["Etag"] = values[1:2:2]
	h["Content-Length"] = values[2:3:3]
}

// unchanged reports whether the client has the content already (RFC 9110,
// 13.1.2); some clients send the bare digest instead of an entity tag.
func unchanged(r *http.Request, d digest.Digest) bool {
	for _, header := range r.Header["If-None-Match"] {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || strings.Trim(tag, `"`) == d.String() {
				return true
			}
		}
	}
	return false
}

// rangeHolds: with If-Range, a range is meant only for the content that the
// client has begun to read (RFC 9110, 13.1.5). Dates are never equal.
func rangeHolds(r *http.Request, d digest.Digest) bool {
	condition := r.Header.Get("If-Range")
	return condition == "" || condition == `"`+d.String()+`"`
}
