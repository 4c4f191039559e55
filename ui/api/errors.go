package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
)

// failed is an error on its way to a client.
type failed struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	// Wants is what a bundle is missing at the site.
	Wants *bundle.Wants `json:"wants,omitempty"`
	Site  string        `json:"site,omitempty"`
}

// kinds are the errors of package registry as the API calls them.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"not_found", registry.ErrNotFound, http.StatusNotFound},
	{"no_space", registry.ErrNoSpace, http.StatusInsufficientStorage},
	{"conflict", registry.ErrConflict, http.StatusConflict},
	{"format", bundle.ErrFormat, http.StatusUnprocessableEntity},
	{"digest", registry.ErrDigest, http.StatusUnprocessableEntity},
	{"size", registry.ErrSize, http.StatusUnprocessableEntity},
	{"incomplete", registry.ErrIncomplete, http.StatusUnprocessableEntity},
	{"untrusted", registry.ErrUntrusted, http.StatusForbidden},
	{"denied", registry.ErrDenied, http.StatusForbidden},
	{"invalid", registry.ErrInvalid, http.StatusBadRequest},
}

// describeError is the only place where an error gets its kind and status.
func describeError(err error) (failed, int) {
	f, status := failed{Kind: "failed", Message: err.Error()}, http.StatusInternalServerError
	for _, k := range slices.Backward(kinds) { // the first counts
		if errors.Is(err, k.err) {
			f.Kind, status = k.name, k.status
		}
	}
	if missing := (*bundle.MissingError)(nil); errors.As(err, &missing) {
		f.Wants, f.Site = missing.Wants, missing.Site
	}
	return f, status
}

// remoteError is an appliance's error with its kind.
type remoteError struct {
	kind    error
	message string
}

func (e *remoteError) Error() string { return e.message }

func (e *remoteError) Unwrap() error { return e.kind }

// errorTrailer is the trailer in which bytes that were sent in full are called
// damaged: an error as JSON.
const errorTrailer = "Landfall-Error"

// trailed is the error that a trailer tells of, nil when there is none.
func trailed(h http.Header) error {
	var f failed
	if json.Unmarshal([]byte(h.Get(errorTrailer)), &f) != nil {
		return nil
	}
	return f.err()
}

func (f failed) err() error {
	if f.Wants != nil && len(f.Wants.Wants) > 0 {
		return &bundle.MissingError{Wants: f.Wants, Site: f.Site}
	}
	for _, k := range kinds {
		if k.name == f.Kind {
			return &remoteError{k.err, f.Message}
		}
	}
	return errors.New(f.Message)
}
