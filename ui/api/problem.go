package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/settings"
)

// Problem is an error on its way to a client (RFC 9457).
type Problem struct {
	Type   string       `json:"type" doc:"The kind of error as a URI" example:"urn:landfall:error:not_found"`
	Title  string       `json:"title" doc:"What the status means"`
	Status int          `json:"status" doc:"The HTTP status"`
	Detail string       `json:"detail" doc:"What happened, and what to do"`
	Kind   string       `json:"kind" doc:"The kind of error, for programs" example:"not_found"`
	Errors []Fault      `json:"errors,omitempty" doc:"The fields that are wrong"`
	Wants  *wants.Wants `json:"wants,omitempty" doc:"What a bundle is missing at the site"`
	Site   string       `json:"site,omitempty" doc:"The site that is missing it"`

	Ranges []landing.Range `json:"ranges,omitempty" doc:"What an outline of a bundle has to have as well"`

	after time.Duration // when to try again
}

// Fault is what is wrong with a field. What it was is not repeated: it may be a
// password.
type Fault struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"The field" example:"body.rate"`
}

func (f Fault) String() string {
	if f.Location == "" {
		return f.Message
	}
	return f.Location + ": " + f.Message
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.after+time.Second-1)/time.Second)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="landfall"`)
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return typeProblem }

// ErrPrecondition says that what was to be changed has changed meanwhile.
var ErrPrecondition = errors.New("it has changed meanwhile: read it again")

// Limited is an error that goes away after a while.
type Limited interface {
	error
	RetryAfter() time.Duration
}

// FieldError is an error whose field of a request is known.
type FieldError struct {
	Field string // like body.rate
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// kinds are the errors of package registry and of this one as the API calls
// them; the first that an error is counts.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"unauthenticated", auth.ErrUnauthenticated, http.StatusUnauthorized},
	{"partial", mirror.ErrPartial, http.StatusBadGateway},
	{"changed", ErrPrecondition, http.StatusPreconditionFailed},
	{"not_found", registry.ErrNotFound, http.StatusNotFound},
	{"no_space", registry.ErrNoSpace, http.StatusInsufficientStorage},
	{"conflict", registry.ErrConflict, http.StatusConflict},
	{"format", bundle.ErrFormat, http.StatusUnprocessableEntity},
	{"digest", registry.ErrDigest, http.StatusUnprocessableEntity},
	{"size", registry.ErrSize, http.StatusUnprocessableEntity},
	{"incomplete", registry.ErrIncomplete, http.StatusUnprocessableEntity},
	{"untrusted", registry.ErrUntrusted, http.StatusForbidden},
	{"denied", registry.ErrDenied, http.StatusForbidden},
	{"unreachable", registry.ErrUnreachable, http.StatusBadGateway},
	{"invalid", registry.ErrInvalid, http.StatusBadRequest},
}

// NewProblem is the only place where an error gets its kind and status.
func NewProblem(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	p := &Problem{Kind: "failed", Detail: err.Error(), Status: http.StatusInternalServerError}
	for _, k := range slices.Backward(kinds) {
		if errors.Is(err, k.err) {
			p.Kind, p.Status = k.name, k.status
		}
	}
	if limited := Limited(nil); errors.As(err, &limited) {
		p.Kind, p.Status, p.after = "limited", http.StatusTooManyRequests, limited.RetryAfter()
	}
	if field := (*FieldError)(nil); errors.As(err, &field) {
		p.Errors = []Fault{{Message: field.Err.Error(), Location: field.Field}}
	}
	if field := (*settings.FieldError)(nil); errors.As(err, &field) {
		p.Errors = []Fault{{Message: field.Error(), Location: "body." + field.Field}}
	}
	if missing := (*bundle.MissingError)(nil); errors.As(err, &missing) {
		p.Wants, p.Site = missing.Wants, missing.Site
	}
	if unsent := (*landing.UnsentError)(nil); errors.As(err, &unsent) {
		p.Ranges = unsent.Ranges
	}
	return p.complete()
}

func (p *Problem) complete() *Problem {
	p.Type, p.Title = "urn:landfall:error:"+p.Kind, http.StatusText(p.Status)
	return p
}

// kindOf is the kind of what the protocol itself refuses.
func kindOf(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "not_found"
	case http.StatusTooManyRequests:
		return "limited"
	case http.StatusInternalServerError:
		return "failed"
	}
	return "invalid"
}

// unreadable is what the framework says of a body that it cannot read to its end.
const unreadable = "cannot read request body"

// The errors of the framework look like all others. It takes them from one
// variable, which this package owns.
func init() { //nolint:gochecknoinits // there is no other way in
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		if status == http.StatusInternalServerError && message == unreadable {
			status = http.StatusBadRequest // it is no HTTP, or has broken off
		}
		p := &Problem{Kind: kindOf(status), Detail: message, Status: status}
		for _, err := range errs {
			if d, ok := err.(huma.ErrorDetailer); ok { //nolint:errorlint // an interface of the value itself
				p.Errors = append(p.Errors, Fault{d.ErrorDetail().Message, d.ErrorDetail().Location})
			} else if err != nil {
				p.Errors = append(p.Errors, Fault{Message: err.Error()})
			}
		}
		if len(p.Errors) > 0 { // for who reads one line only
			p.Detail += ": " + p.Errors[0].String()
		}
		return p.complete()
	}
}

// Refuse answers with a problem where no operation does.
func Refuse(w http.ResponseWriter, err error) {
	p := NewProblem(err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", typeProblem)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// remoteError is an appliance's error with its kind.
type remoteError struct {
	kind    error
	message string
}

func (e *remoteError) Error() string { return e.message }

func (e *remoteError) Unwrap() error { return e.kind }

// errorTrailer is the trailer in which bytes that were sent in full are called
// damaged: a problem as JSON.
const errorTrailer = "Landfall-Error"

// trailed is the error that a trailer tells of, nil when there is none.
func trailed(h http.Header) error {
	var p Problem
	if json.Unmarshal([]byte(h.Get(errorTrailer)), &p) != nil {
		return nil
	}
	return p.err()
}

// err is the error that the problem was made of, as far as it is known here.
func (p *Problem) err() error {
	if p.Wants != nil && len(p.Wants.Wants) > 0 {
		return &bundle.MissingError{Wants: p.Wants, Site: p.Site}
	}
	for _, k := range kinds {
		if k.name == p.Kind {
			return &remoteError{k.err, p.Detail}
		}
	}
	return errors.New(p.Detail)
}
