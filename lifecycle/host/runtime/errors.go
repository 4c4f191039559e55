package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/landfall-dev/landfall/registry"
)

// kinds are those that an error keeps once it has one.
var kinds = []error{registry.ErrNotFound, registry.ErrInvalid, registry.ErrDigest, registry.ErrSize, registry.ErrIncomplete, registry.ErrDenied,
	registry.ErrUntrusted, registry.ErrUnreachable, registry.ErrNoSpace, registry.ErrConflict}

// fail gives an error of containerd's the kind that it is here. What containerd's own
// disk says arrives as text.
func (r *Runtime) fail(ctx context.Context, err error) error {
	switch {
	case err == nil, slices.ContainsFunc(kinds, func(k error) bool { return errors.Is(err, k) }):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case full(err):
		return fmt.Errorf("containerd at %s: %w: make room on the file system of its folder: %w", r.endpoint(), registry.ErrNoSpace, err)
	case errdefs.IsUnavailable(err), errdefs.IsDeadlineExceeded(err), errdefs.IsCanceled(err):
		return fmt.Errorf("containerd at %s: %w: see whether it runs ('systemctl status containerd'): %w", r.endpoint(), registry.ErrUnreachable, err)
	case errdefs.IsNotFound(err):
		return fmt.Errorf("containerd: %w: %w", registry.ErrNotFound, err)
	}
	return fmt.Errorf("containerd: %w", err)
}

func full(err error) bool {
	if errors.Is(registry.DiskError(err), registry.ErrNoSpace) {
		return true
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "no space left on device") || strings.Contains(text, "disk quota exceeded")
}
