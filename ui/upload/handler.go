package upload

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

const (
	version    = "1.0.0"
	extensions = "creation,creation-with-upload,expiration,checksum,termination,concatenation"
	typeBytes  = "application/offset+octet-stream"

	headerResumable = "Tus-Resumable"
	headerVersion   = "Tus-Version"
	headerOffset    = "Upload-Offset"
	headerLength    = "Upload-Length"
	headerExpires   = "Upload-Expires"
	headerMetadata  = "Upload-Metadata"
	headerConcat    = "Upload-Concat"
	headerChecksum  = "Upload-Checksum"
	headerOverride  = "X-HTTP-Method-Override"
)

// caller is who sends a request.
type caller struct {
	owner string
	admin bool
}

// ServeHTTP answers below Options.Base. Besides the protocol's requests there are
// two for people and programs: GET of the base lists uploads, GET of one tells of it.
func (u *Uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set(headerResumable, version)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if err := u.serve(w, r); err != nil {
		u.refuse(w, r, err)
	}
}

func (u *Uploads) serve(w http.ResponseWriter, r *http.Request) error {
	id, ok := u.idOf(r.URL.Path)
	if !ok {
		return fmt.Errorf("%.100q: %w", r.URL.Path, registry.ErrNotFound)
	}
	method := r.Method
	// The protocol would have it override any method. A browser sends GET across
	// sites without asking, so only a POST can mean something else.
	if over := r.Header.Get(headerOverride); over != "" && method == http.MethodPost {
		method = over
	}
	if method == http.MethodOptions {
		u.capabilities(w)
		return nil
	}
	var c caller
	if c.owner, c.admin = u.options.Owner(r); c.owner == "" {
		return fmt.Errorf("uploads: %w: sign in first", registry.ErrDenied)
	}
	if method == http.MethodGet {
		return u.look(w, r, c, id)
	}
	if r.Header.Get(headerResumable) != version {
		w.Header().Set(headerVersion, version)
		return errVersion
	}
	switch {
	case id == "" && method == http.MethodPost:
		return u.create(w, r, c)
	case id != "" && method == http.MethodHead:
		return u.head(w, r, c, id)
	case id != "" && method == http.MethodPatch:
		return u.patch(w, r, c, id)
	case id != "" && method == http.MethodDelete:
		if err := u.remove(r.Context(), c, id); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Allow", allowed(id))
	return errMethod
}

func allowed(id string) string {
	if id == "" {
		return "GET, OPTIONS, POST"
	}
	return "DELETE, GET, HEAD, OPTIONS, PATCH"
}

// idOf is the id in a path, "" in that of all uploads.
func (u *Uploads) idOf(path string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(path, u.options.Base)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	id = strings.TrimPrefix(rest, "/")
	return id, !strings.Contains(id, "/")
}

// location is the path of an upload, relative to the host: proxies may call that
// anything.
func (u *Uploads) location(id string) string { return u.options.Base + "/" + url.PathEscape(id) }

// capabilities answers OPTIONS.
func (u *Uploads) capabilities(w http.ResponseWriter) {
	h := w.Header()
	h.Set(headerVersion, version)
	h.Set("Tus-Extension", extensions)
	h.Set("Tus-Checksum-Algorithm", checksumNames)
	if u.options.MaxSize > 0 {
		h.Set("Tus-Max-Size", strconv.FormatInt(u.options.MaxSize, 10))
	}
	w.WriteHeader(http.StatusNoContent)
}

// find reads an upload of the caller's; ErrNotFound when it is somebody else's.
func (u *Uploads) find(ctx context.Context, c caller, id string) (*record, error) {
	r, err := get(ctx, u.db.Read, id)
	if err == nil && r.Owner != c.owner {
		err = fmt.Errorf("upload %.64q: %w", id, registry.ErrNotFound)
	}
	return r, err
}

// findAny is find of an administrator, who may see and delete the uploads of all.
func (u *Uploads) findAny(ctx context.Context, c caller, id string) (*record, error) {
	if c.admin {
		return get(ctx, u.db.Read, id)
	}
	return u.find(ctx, c, id)
}

// head tells how far an upload is. A request that writes to it is broken off: its
// client is asking because the connection is dead.
func (u *Uploads) head(w http.ResponseWriter, r *http.Request, c caller, id string) error {
	rec, err := u.find(r.Context(), c, id)
	if err == nil && rec.State == Receiving {
		rec, err = u.catchUp(r.Context(), rec)
	}
	if err != nil {
		return err
	}
	if rec.State == Failed {
		return gone(rec)
	}
	h := w.Header()
	h.Set(headerLength, strconv.FormatInt(rec.Size, 10))
	if rec.State != Checking {
		h.Set(headerOffset, strconv.FormatInt(rec.Offset, 10))
	}
	if rec.metadata != "" {
		h.Set(headerMetadata, rec.metadata)
	}
	if rec.concat != "" {
		h.Set(headerConcat, rec.concat)
	}
	expires(h, rec)
	w.WriteHeader(http.StatusOK)
	return nil
}

// catchUp waits for its turn and returns an upload as it is then, with all that a
// crash has left.
func (u *Uploads) catchUp(ctx context.Context, rec *record) (*record, error) {
	release, err := u.take(ctx, rec.ID, nil)
	if err != nil {
		return nil, err
	}
	defer release()
	if rec, err = get(ctx, u.db.Read, rec.ID); err != nil || rec.State != Receiving {
		return rec, err
	}
	return rec, u.recover(ctx, rec)
}

// gone says that an upload cannot be continued.
func gone(rec *record) error {
	return &refusal{http.StatusGone, cmp.Or(rec.ReasonKind, "failed"), "the upload failed: " + rec.Reason, 0}
}

func expires(h http.Header, rec *record) {
	h.Set(headerExpires, rec.Expires.UTC().Format(http.TimeFormat))
}

// patch appends bytes.
func (u *Uploads) patch(w http.ResponseWriter, r *http.Request, c caller, id string) error {
	if r.Header.Get("Content-Type") != typeBytes {
		return errType
	}
	offset, err := parseSize(headerOffset, r.Header.Get(headerOffset))
	if err != nil {
		return err
	}
	rec, err := u.find(r.Context(), c, id)
	if err != nil {
		return err
	}
	if strings.HasPrefix(rec.concat, concatFinal) {
		return errFinal
	}
	rec, err = u.receive(w, r, rec, offset)
	if rec != nil {
		w.Header().Set(headerOffset, strconv.FormatInt(rec.Offset, 10))
		expires(w.Header(), rec)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
