package main

import (
	"context"
	"errors"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/receipt"
	"github.com/landfall-dev/landfall/lifecycle/nodeconfig"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/api"
)

// What the exit codes mean.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3 // verification refused
	exitIncomplete  = 4 // content is missing
	exitNoSpace     = 5
	exitConflict    = 6 // conflict or busy
	exitUnreachable = 7
	exitPartial     = 8 // some of it was done, the rest is reported
	exitInterrupted = 130
)

// usageError is a command line that cannot be carried out.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode is the one place where an error becomes an exit code.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usageError{}):
		return exitUsage
	}
	for _, c := range []struct {
		is   error
		code int
	}{
		{mirror.ErrPartial, exitPartial},
		{registry.ErrNoSpace, exitNoSpace},
		{registry.ErrConflict, exitConflict},
		{api.ErrPrecondition, exitConflict},
		{nodeconfig.ErrForeign, exitConflict},
		{registry.ErrUnreachable, exitUnreachable},
		{registry.ErrUntrusted, exitRefused},
		{receipt.ErrFormat, exitRefused},
		{bundle.ErrFormat, exitRefused},
		{registry.ErrDigest, exitRefused},
		{registry.ErrSize, exitRefused},
		{registry.ErrIncomplete, exitIncomplete},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return exitFailed
}
