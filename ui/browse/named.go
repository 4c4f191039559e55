package browse

import (
	"context"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// FindTag is Find for a tag that may be gone: then it is what the text says, as the
// site lists its repository if that is still there.
func (b *Browser) FindTag(ctx context.Context, text string, may func(repository string) bool) (registry.Ref, error) {
	ref, err := b.Find(ctx, text, may)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		ref, err = b.formerTag(ctx, text, may)
	case err != nil:
		return ref, err
	}
	if err == nil && (ref.Tag == "" || ref.Digest != "") {
		err = fmt.Errorf("%s: %w: want a tag, REPOSITORY:TAG", ref, registry.ErrInvalid)
	}
	return ref, err
}

// formerTag reads a name that nothing is behind now.
func (b *Browser) formerTag(ctx context.Context, text string, may func(repository string) bool) (registry.Ref, error) {
	ref, err := registry.ParseName(text)
	if err != nil {
		if ref, err = registry.ParseRef(text); err != nil {
			return ref, err
		}
	}
	if may != nil && !may(ref.Repository) {
		return ref, named(ref, registry.ErrNotFound)
	}
	known, err := b.store.FindRepositories(ctx, store.FindOptions{Repository: ref.Repository, Limit: 1})
	if err == nil && len(known) == 1 {
		ref.Repository = known[0].Name
	}
	return ref, err
}
