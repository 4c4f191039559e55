package registry

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// The closed list of what can go wrong with content. Implementations wrap one
// of these with the reference, digest or file that it concerns; callers tell
// them apart with errors.Is, and turn them into an exit code or an HTTP status
// in one place.
var (
	// ErrNotFound: no such repository, tag, manifest or blob.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: a reference, digest, manifest or parameter that breaks its grammar.
	ErrInvalid = errors.New("invalid")
	// ErrDigest: bytes that do not hash to their digest.
	ErrDigest = errors.New("digest mismatch")
	// ErrSize: fewer or more bytes than the descriptor states.
	ErrSize = errors.New("size mismatch")
	// ErrIncomplete: a manifest names content that is not there.
	ErrIncomplete = errors.New("content incomplete")
	// ErrDenied: missing or wrong credentials, or no right to the action.
	ErrDenied = errors.New("access denied")
	// ErrUntrusted: not signed by those who have to, expired, or older than what is here.
	ErrUntrusted = errors.New("not trusted")
	// ErrUnreachable: the other side does not answer, stalls or cuts.
	ErrUnreachable = errors.New("unreachable")
	// ErrNoSpace: not enough space for the bytes.
	ErrNoSpace = errors.New("not enough space")
	// ErrConflict: somebody else holds it, or it changed meanwhile.
	ErrConflict = errors.New("conflict")
)

// CopyError says which side of a copy failed and over what.
type CopyError struct {
	Side string // "source" or "destination"
	What string // reference, or repository and digest; empty: the side as a whole
	Err  error
}

func (e *CopyError) Error() string {
	text := e.Err.Error()
	if e.What != "" && !strings.Contains(text, e.What) {
		text = e.What + ": " + text
	}
	return e.Side + ": " + text
}
func (e *CopyError) Unwrap() error { return e.Err }

// SourceError says that a copy failed over something at its source; nil for nil.
func SourceError(what string, err error) error { return copyError("source", what, err) }

// DestinationError says so of the destination.
func DestinationError(what string, err error) error { return copyError("destination", what, err) }

// copyError keeps the innermost side: a PutBlob that fails because the reader
// that it was given failed is the source's failure.
func copyError(side, what string, err error) error {
	if err == nil {
		return nil
	}
	if inner := (*CopyError)(nil); errors.As(err, &inner) {
		return err
	}
	return &CopyError{Side: side, What: what, Err: err}
}

// WrongBytes reports whether an error says that bytes were not those of their
// descriptor.
func WrongBytes(err error) bool { return errors.Is(err, ErrDigest) || errors.Is(err, ErrSize) }

// DiskError marks an error of the operating system that means a full disk or
// an exhausted quota as ErrNoSpace; others it returns as they are.
func DiskError(err error) error {
	if err != nil && !errors.Is(err, ErrNoSpace) && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
