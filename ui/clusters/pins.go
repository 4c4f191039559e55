package clusters

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// owner is whose pins are those of a definition that a cluster runs, ran or is about to
// run.
func owner(name, as string) string { return "cluster/" + name + "/" + as }

// pinDefinition keeps a definition, and all that it reaches, in the store.
func (c *Clusters) pinDefinition(ctx context.Context, name, as, definition string) error {
	refs, err := c.reached(ctx, definition)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("cluster %s needs definition %s (%s)", name, definition, as)
	for _, ref := range refs {
		if _, err := c.store.Pin(ctx, ref, owner(name, as), reason); err != nil {
			return fmt.Errorf("pin of %s: %w", ref, err)
		}
	}
	return nil
}

// reached are the definition's own artifact and its images, with their tags where these
// are what the definition says.
func (c *Clusters) reached(ctx context.Context, name string) ([]registry.Ref, error) {
	st, err := c.opts.Definitions.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	refs := []registry.Ref{st.Ref}
	for _, i := range st.Definition.Images {
		ref, err := c.pinned(ctx, i)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// pinned is how an image is pinned: by its tag, so that this cannot be deleted either,
// when it is still the definition's image; else by digest.
func (c *Clusters) pinned(ctx context.Context, i definition.Image) (registry.Ref, error) {
	ref, err := registry.ParseRef(i.Name)
	if err != nil {
		return ref, err
	}
	byDigest := registry.Ref{Repository: ref.Repository, Digest: i.Digest}
	if ref.Tag == "" {
		return byDigest, nil
	}
	d, err := c.store.Resolve(ctx, registry.Ref{Repository: ref.Repository, Tag: ref.Tag})
	if err != nil && !errors.Is(err, registry.ErrNotFound) || err == nil && d.Digest == i.Digest {
		return registry.Ref{Repository: ref.Repository, Tag: ref.Tag}, err
	}
	return byDigest, nil
}

// sweepPins takes away the pins of a cluster that it does not need any more: those of
// definitions that are not what its row says.
func (c *Clusters) sweepPins(ctx context.Context, name string) error {
	wanted, err := c.wanted(ctx, name)
	if err != nil {
		return err
	}
	pins, err := c.store.Pins(ctx)
	if err != nil {
		return err
	}
	for _, p := range pins {
		if !strings.HasPrefix(p.Owner, owner(name, "")) {
			continue
		}
		ref := registry.Ref{Repository: p.Repository, Digest: p.Digest}
		if wanted[p.Owner][ref] {
			continue
		}
		if err := c.store.Unpin(ctx, ref, p.Owner); err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}

// wanted is what a cluster needs pinned, by owner, repository and digest, since tags may
// have moved on; nothing for one that is gone.
func (c *Clusters) wanted(ctx context.Context, name string) (map[string]map[registry.Ref]bool, error) {
	r, err := c.row(ctx, c.db.Read, name)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := map[string]map[registry.Ref]bool{}
	for as, definition := range map[string]string{"running": r.running, "previous": r.previous, "staged": r.staged} {
		if definition == "" {
			continue
		}
		st, err := c.opts.Definitions.Get(ctx, definition)
		if err != nil {
			return nil, err
		}
		set := map[registry.Ref]bool{{Repository: st.Ref.Repository, Digest: st.Digest}: true}
		for _, i := range st.Definition.Images {
			ref, err := registry.ParseRef(i.Name)
			if err != nil {
				return nil, err
			}
			set[registry.Ref{Repository: ref.Repository, Digest: i.Digest}] = true
		}
		list[owner(name, as)] = set
	}
	return list, nil
}
