package resolve

import (
	"cmp"
	"context"
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
)

// platforms are those that the definition is for: as they are said, or all that every
// image has.
func (b *builder) platforms(ctx context.Context, names []string, locked map[string]digest.Digest) ([]registry.Platform, error) {
	if said := b.opts.Platforms; len(said) > 0 {
		return said, nil
	}
	if len(b.profile.Platforms) > 0 {
		return b.profile.Platforms, nil
	}
	have := map[string][]string{} // names of images, by platform
	var all []string
	var mu sync.Mutex // protects have and all
	err := parallel.Do(ctx, cmp.Or(b.opts.Jobs, registry.DefaultJobs), names, func(ctx context.Context, name string) error {
		c := b.candidates[name]
		if !c.all || c.sure() == find.Doubtful {
			return nil
		}
		list, err := b.offered(ctx, c.at(locked[name]))
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil || len(list) == 0 {
			return nil // pin says what is wrong with it
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, name)
		for _, p := range list {
			have[p] = append(have[p], name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.common(have, all)
}

// offered are the platforms of an image, each once.
func (b *builder) offered(ctx context.Context, ref registry.Ref) (list []string, err error) {
	g, err := registry.Walk(ctx, b.opts.Registry, []registry.Ref{ref}, registry.WalkOptions{NoReferrers: true})
	if err != nil {
		return nil, err
	}
	sums, err := registry.Summarize(ctx, b.opts.Registry, g)
	if err != nil {
		return nil, err
	}
	for _, p := range sums[0].Platforms {
		if !slices.Contains(list, p.Platform) {
			list = append(list, p.Platform)
		}
	}
	return list, nil
}

// common are the platforms that all images have; of others it is said why they are out.
func (b *builder) common(have map[string][]string, all []string) (list []registry.Platform, err error) {
	some := slices.Sorted(maps.Keys(have))
	slices.Sort(all)
	for _, text := range some {
		if i := slices.IndexFunc(all, func(name string) bool { return !slices.Contains(have[text], name) }); i >= 0 {
			b.warn("%s is left out: %s is not there for it; say with platforms: what the definition is for", text, all[i])
			continue
		}
		p, err := registry.ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	if len(all) > 0 && len(list) == 0 {
		return nil, fmt.Errorf("%w: no platform is one that all images have (they have %s): say with platforms: which it is for, and limit layers with platforms: where an image is for some only",
			registry.ErrInvalid, strings.Join(some, ", "))
	}
	return list, nil
}

// wantedPlatforms are the definition's, as far as the image's layers are for them.
func wantedPlatforms(c *candidate, platforms []registry.Platform) []registry.Platform {
	if c.all {
		return platforms
	}
	if len(platforms) == 0 {
		return c.platforms
	}
	var list []registry.Platform
	for _, p := range platforms {
		if registry.Fits(p, c.platforms) {
			list = append(list, p)
		}
	}
	return list
}

// lacking are the wanted platforms that an image has not.
func lacking(image *definition.Image, wanted []registry.Platform) (missing []string) {
	for _, w := range wanted {
		if !image.RunsOn(w) {
			missing = append(missing, registry.PlatformString(w))
		}
	}
	return missing
}

// platformsOf says for each manifest of a graph whose hosts need it; "" is everybody's.
func platformsOf(g *registry.Graph, sums []registry.Summary) map[digest.Digest]string {
	of := map[digest.Digest]string{}
	for _, s := range sums {
		for _, p := range s.Platforms {
			if !p.Absent {
				of[p.Digest] = p.Platform
			}
		}
	}
	companions := map[digest.Digest]digest.Digest{}
	for _, n := range g.Names {
		if registry.IsSignatureTag(n.Ref.Tag) {
			hex, _, _ := strings.Cut(n.Ref.Tag, ".")
			companions[n.Descriptor.Digest] = digest.Digest(strings.Replace(hex, "-", ":", 1))
		}
	}
	for _, n := range g.Manifests { // what is beside an image goes where it goes
		for _, c := range n.Manifest.Children {
			if subject := digest.Digest(c.Annotations[registry.AttestationSubject]); subject != "" && of[subject] != "" {
				of[c.Digest] = of[subject]
			}
		}
	}
	for range 2 { // signatures of SBOMs, too
		for _, n := range g.Manifests {
			d := n.Descriptor.Digest
			if s := n.Manifest.Subject; s != nil {
				of[d] = cmp.Or(of[s.Digest], "")
			} else if subject := companions[d]; subject != "" {
				of[d] = of[subject]
			}
		}
	}
	return of
}

// carried are the platforms of the images of a graph that are no more than beside one.
func carried(g *registry.Graph, root digest.Digest, of map[digest.Digest]string) (list []string) {
	under := map[digest.Digest]bool{root: true}
	for i := len(g.Manifests) - 1; i >= 0; i-- { // parents first
		n := g.Manifests[i]
		if !under[n.Descriptor.Digest] {
			continue
		}
		for _, c := range n.Manifest.Children {
			under[c.Digest] = true
		}
		if p := of[n.Descriptor.Digest]; p != "" && n.Manifest.Children == nil && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

func platformTexts(list []registry.Platform) (texts []string) {
	for _, p := range list {
		if text := registry.PlatformString(p); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}
