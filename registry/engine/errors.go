package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"syscall"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// refusal is an error as the client is told it (distribution-spec, "Error
// Codes": the code is one of a closed list).
type refusal struct {
	status  int
	code    errcode.ErrorCode
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, code errcode.ErrorCode, format string, args ...any) *refusal {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

// fail is the only place where an error becomes a status and a body.
func (e *Engine) fail(w http.ResponseWriter, r *http.Request, k kind, err error) {
	answer := e.classify(w, r, k, err)
	list := errcode.Errors{answer.code.WithMessage(answer.message)}
	var incomplete *store.IncompleteError
	if errors.As(err, &incomplete) {
		list = nil
		for _, d := range incomplete.Missing {
			list = append(list, answer.code.WithMessage("the repository has no blob "+d.String()).WithDetail(map[string]string{"digest": d.String()}))
		}
	}
	if answer.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.Header()["Content-Type"] = jsonType
	w.WriteHeader(answer.status)
	_ = json.NewEncoder(w).Encode(list)
}

// classify finds the answer to an error. Only texts made for clients leave
// the site: no path of the store's files does.
func (e *Engine) classify(w http.ResponseWriter, r *http.Request, k kind, err error) *refusal {
	var known *refusal
	var challenge auth.Challenge
	var offset *store.OffsetError
	var quota *store.QuotaError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &challenge):
		challenge.SetHeaders(r, w)
		// Not the code's own message: dockerd reads that as a bare code, which it does
		// not know as final, and goes on trying to push for most of a minute.
		return refuse(http.StatusUnauthorized, errcode.ErrorCodeUnauthorized, "authentication required: log in to this registry")
	case errors.As(err, &offset):
		return refuse(http.StatusRequestedRangeNotSatisfiable, errcode.ErrorCodeBlobUploadInvalid, "the upload is at byte %d", offset.Size)
	case errors.As(err, &quota): // not the disk: the operator has decided this
		return refuse(http.StatusForbidden, errcode.ErrorCodeDenied, "%s", quota)
	}
	var upstream *upstreamError
	table := answers
	if errors.As(err, &upstream) {
		table = slices.Concat(upstreamAnswers, answers)
	}
	for _, a := range table {
		if !errors.Is(err, a.err) {
			continue
		}
		message := a.message
		if message == "" {
			message = publicText(err)
		}
		if message == unfit || a.status >= http.StatusInternalServerError && upstream == nil {
			e.log.LogAttrs(r.Context(), slog.LevelError, "refused", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", a.status), slog.Any("err", err))
		}
		return &refusal{a.status, a.codeFor(k), message}
	}
	e.log.LogAttrs(r.Context(), slog.LevelError, "failed", slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	return refuse(http.StatusInternalServerError, errcode.ErrorCodeUnknown, unfit)
}

// answer is what one kind of error is told as. Without a message the error
// speaks for itself, provided that its text is fit for clients.
type answer struct {
	err     error
	status  int
	code    errcode.ErrorCode // 0: depends on what was asked for
	message string
}

// answers is ordered: the first error that is in the chain decides.
var answers = []answer{
	{registry.ErrNoSpace, http.StatusInsufficientStorage, errcode.ErrorCodeDenied, "the site has not enough space for this content; free some or collect, then push again"},
	{syscall.EROFS, http.StatusServiceUnavailable, errcode.ErrorCodeDenied, "the site's disk takes no writes; what is there can be pulled"},
	{registry.ErrIncomplete, http.StatusNotFound, errcode.ErrorCodeManifestBlobUnknown, "the manifest names content that the repository does not have"},
	{registry.ErrDigest, http.StatusBadRequest, errcode.ErrorCodeDigestInvalid, ""},
	{registry.ErrSize, http.StatusBadRequest, errcode.ErrorCodeSizeInvalid, ""},
	{registry.ErrUntrusted, http.StatusForbidden, errcode.ErrorCodeDenied, "the site's trust policy refuses pushes: land a signed bundle instead"},
	{registry.ErrDenied, http.StatusForbidden, errcode.ErrorCodeDenied, "access denied"},
	{auth.ErrInvalidCredential, http.StatusUnauthorized, errcode.ErrorCodeUnauthorized, "invalid credentials"},
	{auth.ErrAuthenticationFailure, http.StatusUnauthorized, errcode.ErrorCodeUnauthorized, "authentication failed"},
	{errBusy, http.StatusTooManyRequests, errcode.ErrorCodeTooManyRequests, "another request is writing to this upload"},
	{registry.ErrConflict, http.StatusConflict, errcode.ErrorCodeDenied, ""},
	{registry.ErrNotFound, http.StatusNotFound, 0, ""},
	{registry.ErrInvalid, http.StatusBadRequest, 0, ""},
	{os.ErrDeadlineExceeded, http.StatusRequestTimeout, errcode.ErrorCodeBlobUploadInvalid, "no byte has arrived for too long; what came before is kept"},
	{io.ErrUnexpectedEOF, http.StatusBadRequest, errcode.ErrorCodeSizeInvalid, "the body ended early; what came before is kept"},
	{context.Canceled, http.StatusRequestTimeout, errcode.ErrorCodeBlobUploadInvalid, "the request was given up"},
}

// upstreamAnswers come before answers for what an Upstream could not do. Clients
// try a 503 again, or somewhere else.
var upstreamAnswers = []answer{
	{registry.ErrUntrusted, http.StatusForbidden, errcode.ErrorCodeDenied, ""},
	{registry.ErrDenied, http.StatusForbidden, errcode.ErrorCodeDenied, ""},
	{registry.ErrUnreachable, http.StatusServiceUnavailable, errcode.ErrorCodeUnavailable, ""},
	{registry.ErrDigest, http.StatusBadGateway, errcode.ErrorCodeUnknown, ""},
	{registry.ErrSize, http.StatusBadGateway, errcode.ErrorCodeUnknown, ""},
	{registry.ErrInvalid, http.StatusBadGateway, errcode.ErrorCodeUnknown, ""},
}

// codeFor completes "not found" and "invalid" with what it was.
func (a answer) codeFor(k kind) errcode.ErrorCode {
	absent := a.err == registry.ErrNotFound
	switch {
	case a.code != 0:
		return a.code
	case k == manifest && absent:
		return errcode.ErrorCodeManifestUnknown
	case k == manifest:
		return errcode.ErrorCodeManifestInvalid
	case k == blob && absent:
		return errcode.ErrorCodeBlobUnknown
	case k == blob:
		return errcode.ErrorCodeDigestInvalid
	case k == upload && absent:
		return errcode.ErrorCodeBlobUploadUnknown
	case k == upload:
		return errcode.ErrorCodeBlobUploadInvalid
	case absent:
		return errcode.ErrorCodeNameUnknown
	}
	return errcode.ErrorCodeNameInvalid
}

// unfit stands for the text of an error that is not for clients.
const unfit = "the site could not do this; its log says why"

// publicText is the text of err unless it may name local files. What an
// operator wrote as a pin's reason or a rule is meant to be read.
func publicText(err error) string {
	var pinned *store.PinnedError
	var fixed *store.ImmutableError
	if errors.As(err, &pinned) {
		return pinned.Error()
	}
	if errors.As(err, &fixed) {
		return fixed.Error()
	}
	var path *fs.PathError
	var link *os.LinkError
	text := err.Error()
	if errors.As(err, &path) || errors.As(err, &link) || namesPath(text) {
		return unfit
	}
	return text
}

// namesPath reports whether a text seems to hold an absolute path: a slash
// that follows no letter or digit, as those of names and media types do.
func namesPath(text string) bool {
	for i := range len(text) {
		if text[i] != '/' {
			continue
		}
		if i == 0 {
			return true
		}
		if c := text[i-1] | 0x20; (c < 'a' || c > 'z') && !isAlnum(text[i-1]) {
			return true
		}
	}
	return false
}

// errBusy: two requests write to one upload.
var errBusy = errors.New("upload busy")

// busy tells a conflict over an upload from other conflicts.
func busy(err error) error {
	if errors.Is(err, registry.ErrConflict) {
		return fmt.Errorf("%w: %w", errBusy, err)
	}
	return err
}
