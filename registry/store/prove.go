package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Prove reads a blob from the disk, whichever repository has it, and proves its
// digest. ErrDigest says that it is damaged, and why: it is in quarantine then, so
// that who brings it heals it. ErrNotFound when no repository has it whole.
func (s *Store) Prove(ctx context.Context, d digest.Digest) error {
	size, err := s.mountable(ctx, "", d)
	if err != nil {
		return fmt.Errorf("blob %s: %w", d, err)
	}
	c := &scrubber{Store: s, limit: pace(0)}
	cause, f, err := c.examine(ctx, scrubbed{size: size, digest: d})
	if f != nil {
		defer f.Close()
	}
	if err != nil || cause == nil {
		return err
	}
	bad, err := s.quarantine(ctx, d, f, cause)
	if err == nil && !bad {
		return nil // healed meanwhile
	}
	return errors.Join(fmt.Errorf("blob %s: %w: %s", d, registry.ErrDigest, causeText(d, cause)), err)
}
