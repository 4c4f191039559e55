package resolve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// Graph is the closure of a definition's images as the definition lists it, for a
// transfer: what has come to its registries since is not in it. No platforms mean all
// of the definition's; one that it is not built for is registry.ErrInvalid. Errors name
// the image whose content its registry does not have.
func Graph(ctx context.Context, src registry.Reader, d *definition.Definition, platforms []registry.Platform, jobs int) (*registry.Graph, error) {
	have, err := registry.ParsePlatforms(d.Platforms)
	if err != nil {
		return nil, err
	}
	for _, p := range platforms { // of others it has no images
		if len(have) > 0 && !registry.Offers(have, p) {
			return nil, fmt.Errorf("%w: definition %s %s is not built for %s (it is for %s): build it with --platform %s",
				registry.ErrInvalid, d.Name, d.Version, registry.PlatformString(p), strings.Join(d.Platforms, ", "), registry.PlatformString(p))
		}
	}
	if len(platforms) == 0 {
		platforms = have
	}
	c := closure{platforms: platforms, nodes: map[digest.Digest]*registry.Node{}, beside: map[digest.Digest][]registry.Descriptor{}}
	for _, image := range d.Images {
		if err := c.add(image); err != nil {
			return nil, err
		}
	}
	if err := c.read(ctx, src, cmp.Or(jobs, registry.DefaultJobs)); err != nil {
		return nil, err
	}
	return registry.BuildGraph(c.names, c.node, func(_ string, d digest.Digest) []registry.Descriptor { return c.beside[d] }), nil
}

// closure is what definitions list, being read.
type closure struct {
	platforms []registry.Platform
	names     []registry.Name
	wanted    []entry
	beside    map[digest.Digest][]registry.Descriptor // referrers, by subject

	mu    sync.Mutex // protects nodes
	nodes map[digest.Digest]*registry.Node
}

// entry is a manifest that is wanted from a repository.
type entry struct {
	ref        registry.Ref
	descriptor registry.Descriptor
	image      string
}

func (c *closure) add(image definition.Image) error {
	name, err := registry.ParseName(image.Name)
	if err != nil {
		return err
	}
	for _, m := range image.Manifests {
		if !m.For(c.platforms) {
			continue
		}
		desc := registry.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}
		ref := registry.Ref{Repository: name.Repository, Digest: m.Digest}
		c.wanted = append(c.wanted, entry{ref, desc, image.Name})
		if m.Digest == image.Digest {
			root := registry.Ref{Repository: name.Repository, Tag: name.Tag}
			if root.Tag == "" {
				root.Digest = image.Digest
			}
			c.names = append(c.names, registry.Name{Ref: root, Descriptor: desc})
		}
		if m.Tag != "" {
			tagged := registry.Ref{Repository: name.Repository, Tag: m.Tag}
			c.names = append(c.names, registry.Name{Ref: tagged, Descriptor: desc})
		}
		if m.Subject != "" && !slices.ContainsFunc(c.beside[m.Subject], func(o registry.Descriptor) bool { return o.Digest == m.Digest }) {
			c.beside[m.Subject] = append(c.beside[m.Subject], desc)
		}
	}
	return nil
}

// read reads all manifests, each digest once.
func (c *closure) read(ctx context.Context, src registry.Reader, jobs int) error {
	seen := map[digest.Digest]bool{}
	once := slices.DeleteFunc(slices.Clone(c.wanted), func(e entry) bool {
		again := seen[e.ref.Digest]
		seen[e.ref.Digest] = true
		return again
	})
	return parallel.Do(ctx, jobs, once, func(ctx context.Context, e entry) error {
		_, content, err := src.Manifest(ctx, e.ref)
		if err != nil {
			return fmt.Errorf("image %s of the definition: %w", e.image, registry.SourceError(e.ref.String(), err))
		}
		m, err := registry.ParseManifest(e.descriptor.MediaType, content)
		if err != nil {
			return fmt.Errorf("image %s of the definition: %s: %w", e.image, e.ref, err)
		}
		m.Children = registry.SelectChildren(m.Children, c.platforms) // those of a layer's other platforms stay absent
		c.mu.Lock()
		defer c.mu.Unlock()
		c.nodes[e.ref.Digest] = &registry.Node{Descriptor: e.descriptor, Manifest: m, Content: content}
		return nil
	})
}

func (c *closure) node(d digest.Digest) *registry.Node { return c.nodes[d] }
