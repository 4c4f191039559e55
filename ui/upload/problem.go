package upload

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
)

// Problem is an error as RFC 9457 has it, with the kind of error that it is.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Kind   string `json:"kind"`
}

// refusal is an error with a status of its own.
type refusal struct {
	status int
	kind   string
	detail string
	after  time.Duration // when it may be tried again; 0: that is not told
}

func (e *refusal) Error() string { return e.detail }

// statusChecksumMismatch is the protocol's own.
const statusChecksumMismatch = 460

// What a request can be refused with, besides the errors of package registry.
var (
	errVersion  = &refusal{http.StatusPreconditionFailed, "version", "this server speaks tus " + version + ": set Tus-Resumable", 0}
	errType     = &refusal{http.StatusUnsupportedMediaType, "type", "the Content-Type of bytes is " + typeBytes, 0}
	errMethod   = &refusal{http.StatusMethodNotAllowed, "method", "this method is of no use here", 0}
	errFinal    = &refusal{http.StatusForbidden, "denied", "a final upload takes no bytes", 0}
	errTooLong  = &refusal{http.StatusRequestEntityTooLarge, "size", "more bytes than the upload's length", 0}
	errChecksum = &refusal{statusChecksumMismatch, "digest", "the bytes are not those of Upload-Checksum; they were discarded", 0}
	errStalled  = &refusal{http.StatusRequestTimeout, "stalled", "the bytes came too slowly; go on at the offset that HEAD tells", 0}
	errLocked   = &refusal{http.StatusLocked, "locked", "another request is writing to the upload", time.Second}
	errBusy     = &refusal{http.StatusServiceUnavailable, "busy", "too many uploads are receiving at this moment", 2 * time.Second}
	errClosing  = &refusal{http.StatusServiceUnavailable, "busy", "the appliance is being stopped; go on when it is back", 5 * time.Second}
	errTakeOver = &refusal{http.StatusConflict, "conflict", "another request for the upload has come; what had arrived is kept", 0}
	errLost     = &refusal{http.StatusConflict, "conflict", "the appliance's disk has lost what there was of the upload; it begins again at 0", 0}
	errCutOff   = &refusal{http.StatusBadRequest, "invalid", "the request broke off; go on at the offset that HEAD tells", 0}
)

// tooMany is a refusal for the number of something.
func tooMany(format string, args ...any) error {
	return &refusal{http.StatusTooManyRequests, "busy", fmt.Sprintf(format, args...), time.Minute}
}

// tooLarge is a refusal for the size of an upload.
func tooLarge(what string, size, most int64) error {
	return &refusal{http.StatusRequestEntityTooLarge, "size", fmt.Sprintf("an upload of %s: %s is %s", units.Bytes(size), what, units.Bytes(most)), 0}
}

// errorKinds are the errors of other packages as a client is told them.
var errorKinds = []struct {
	err    error
	kind   string
	status int
}{
	{registry.ErrNotFound, "not_found", http.StatusNotFound},
	{registry.ErrNoSpace, "no_space", http.StatusInsufficientStorage},
	{registry.ErrConflict, "conflict", http.StatusConflict},
	{bundle.ErrFormat, "format", http.StatusUnprocessableEntity},
	{ErrKind, "format", http.StatusUnprocessableEntity},
	{registry.ErrDigest, "digest", http.StatusUnprocessableEntity},
	{registry.ErrSize, "size", http.StatusUnprocessableEntity},
	{registry.ErrIncomplete, "incomplete", http.StatusUnprocessableEntity},
	{registry.ErrDenied, "denied", http.StatusForbidden},
	{registry.ErrInvalid, "invalid", http.StatusBadRequest},
}

// describe is the only place where an error gets its kind and status.
func describe(err error) *refusal {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return r
	}
	r := &refusal{http.StatusInternalServerError, "failed", "the appliance failed; its log says why", 0}
	for _, k := range slices.Backward(errorKinds) { // the first counts
		if errors.Is(err, k.err) {
			r = &refusal{k.status, k.kind, err.Error(), 0}
		}
	}
	if ours(err) && r.kind == "no_space" { // its text has a path of this machine
		r.detail = "not enough space on the appliance's disk"
	}
	return r
}

// Err is the problem as an error of package registry, as far as it is one.
func (p Problem) Err() error {
	for _, k := range errorKinds {
		if k.kind == p.Kind {
			return &remoteError{p, k.err}
		}
	}
	return &remoteError{p, nil}
}

// remoteError is a server's error.
type remoteError struct {
	Problem
	is error
}

func (e *remoteError) Error() string {
	return cmp.Or(e.Detail, e.Title, "status "+strconv.Itoa(e.Status))
}

func (e *remoteError) Unwrap() error { return e.is }

// refuse answers with an error.
func (u *Uploads) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := describe(err)
	if p.status == http.StatusInternalServerError {
		u.log.ErrorContext(r.Context(), "an upload failed", "path", r.URL.Path, "error", err)
	}
	h := w.Header()
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(p.after.Seconds())))
	}
	title := http.StatusText(p.status)
	if p.status == statusChecksumMismatch {
		title = "Checksum Mismatch"
	}
	content, _ := json.Marshal(Problem{"about:blank", title, p.status, p.detail, p.kind}) // it has nothing that cannot be encoded
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(content, '\n'))
	}
}
