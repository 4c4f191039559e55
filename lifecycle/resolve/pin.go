package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/find"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
)

// pinAll pins every candidate; all that cannot be had is in one error.
func (b *builder) pinAll(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(b.candidates))
	for _, name := range names {
		slices.SortFunc(b.candidates[name].reasons, compareReasons)
	}
	locked, err := b.lockedDigests()
	if err != nil {
		return err
	}
	platforms, err := b.platforms(ctx, names, locked)
	if err != nil {
		return err
	}
	b.definition.Platforms = platformTexts(platforms)
	if len(b.opts.Platforms) > 0 {
		names = slices.DeleteFunc(names, func(name string) bool { return b.elsewhere(name, platforms) })
	}
	var mu sync.Mutex // protects the definition's lists and errs
	var errs []error
	jobs := cmp.Or(b.opts.Jobs, registry.DefaultJobs)
	err = parallel.Do(ctx, jobs, names, func(ctx context.Context, name string) error {
		c, asking := b.candidates[name], ctx
		if c.sure() == find.Doubtful {
			asking = remote.Briefly(ctx) // it may name a host that is none
		}
		image, err := b.pin(asking, name, c, locked[name], platforms)
		none := err != nil && c.sure() == find.Doubtful && !b.isThere(asking, c.at(locked[name]))
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			b.definition.Images = append(b.definition.Images, *image)
		case ctx.Err() != nil:
			return err
		case none:
			b.unconfirmed(name, c, err)
		default:
			errs = append(errs, fmt.Errorf("%w; %s", err, wantedBy(c)))
		}
		return nil
	})
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return cmp.Or(err, errors.Join(errs...))
}

// elsewhere leaves an image out whose layers are for none of the platforms that are
// asked for, though the profile is for them.
func (b *builder) elsewhere(name string, platforms []registry.Platform) bool {
	c := b.candidates[name]
	if len(wantedPlatforms(c, platforms)) > 0 {
		return false
	}
	b.leave(name, "its layers are for other platforms", c.reasons[0])
	return true
}

// unconfirmed leaves out what only looked like an image.
func (b *builder) unconfirmed(name string, c *candidate, err error) {
	why := "its registry has no such image"
	if !errors.Is(err, registry.ErrNotFound) {
		why = "it could not be confirmed: " + err.Error()
		b.warn("%s may be an image, and could not be confirmed; if it is one, add it to the layer's images; else to ignore: (%s) %v", name, where(c.reasons[0]), err)
	}
	b.leave(name, why, c.reasons[0])
}

// isThere reports whether a registry has what an image's name stands for: then it is
// one, whatever else is wrong with it.
func (b *builder) isThere(ctx context.Context, ref registry.Ref) bool {
	_, _, err := b.opts.Registry.Manifest(ctx, ref)
	return err == nil
}

// pin asks what a name stands for, and all that this reaches.
func (b *builder) pin(ctx context.Context, name string, c *candidate, locked digest.Digest, platforms []registry.Platform) (*definition.Image, error) {
	if len(c.digests) > 1 {
		return nil, fmt.Errorf("%w: %s is wanted with different digests (%s, %s): a tag stands for one at a site", registry.ErrInvalid, name, c.digests[0], c.digests[1])
	}
	ref := c.at(locked)
	wanted := wantedPlatforms(c, platforms)
	if len(wanted) == 0 && len(platforms) > 0 {
		return nil, fmt.Errorf("%w: %s: its layers are for none of the definition's platforms (%s): change the layer's platforms", registry.ErrInvalid, name, strings.Join(platformTexts(platforms), ", "))
	}
	g, err := registry.Walk(ctx, b.opts.Registry, []registry.Ref{ref}, registry.WalkOptions{Platforms: wanted})
	switch {
	case err != nil && locked != "" && errors.Is(err, registry.ErrNotFound):
		return nil, fmt.Errorf("the lock no longer matches: %s %s has %s as %s, which its registry has no more: carry it over from a bundle or a store that has it, or build without --lock (%w)",
			b.opts.Lock.Name, b.opts.Lock.Version, name, locked, err)
	case err != nil && errors.Is(err, registry.ErrNotFound):
		return nil, fmt.Errorf("%w: correct the name, push it, or say in the layer's ignore: that it is none", err)
	case err != nil:
		return nil, err
	}
	sums, err := registry.Summarize(ctx, b.opts.Registry, g)
	if err != nil {
		return nil, err
	}
	root := rootOf(g, ref)
	image := &definition.Image{Name: name, Digest: root, Why: c.reasons, Sure: c.sure(), Confirmed: c.sure() == find.Doubtful}
	of := platformsOf(g, sums)
	image.Platforms = carried(g, root, of)
	if missing := lacking(image, wanted); len(missing) > 0 {
		has, err := b.offered(ctx, ref)
		return nil, errors.Join(err, fmt.Errorf("%w: %s is not there for %s (it is for %s): take another image, or limit the platforms of the layer",
			registry.ErrNotFound, name, strings.Join(missing, ", "), strings.Join(has, ", ")))
	}
	image.Manifests = definition.ManifestsOf(g, of)
	return image, nil
}

// rootOf is the digest that a name of a graph stands for.
func rootOf(g *registry.Graph, ref registry.Ref) digest.Digest {
	for _, n := range g.Names {
		if n.Ref == ref {
			return n.Descriptor.Digest
		}
	}
	return ""
}

// lockedDigests are what names stood for in the definition before.
func (b *builder) lockedDigests() (map[string]digest.Digest, error) {
	locked := map[string]digest.Digest{}
	if b.opts.Lock == nil {
		return locked, nil
	}
	for _, i := range b.opts.Lock.Images {
		ref, err := registry.ParseName(i.Name)
		if err != nil {
			return nil, err
		}
		if ref.Tag != "" {
			locked[i.Name] = i.Digest
		}
	}
	return locked, nil
}
