package closure

import (
	"context"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
)

// place is a manifest or a blob in a repository.
type place struct {
	repository string
	digest     digest.Digest
	manifest   bool
}

// presence is how a digest is at the site.
type presence int

const (
	absent presence = iota
	elsewhere
	whole
	damaged
)

// need is a digest that has to be in a repository.
type need struct {
	place
	descriptor registry.Descriptor
	state      presence
	cause      string             // of damage
	parsed     *registry.Manifest // of a manifest that is whole
}

// entry is a need of an item.
type entry struct {
	*need
	platform string          // whose hosts need it; empty: all
	blobs    []digest.Digest // of a manifest, as the definition lists them; nil: not to be compared
}

// branch is what one name reaches: an image without its companions, one companion that
// cosign keeps under a tag, or the definition's artifact.
type branch struct {
	name      wants.Pinned
	tag       registry.Ref // that has to stand for the digest; zero: none has to
	companion bool
	entries   []entry
	stands    digest.Digest // what the tag stands for at the site; empty: nothing
}

// item is an Item being looked at.
type item struct {
	Item
	repository string
	branches   []*branch
	signed     bool                // the policy's rules for images are for it
	platforms  []registry.Platform // of the hosts that need it; none: all
	carried    []registry.Platform // that the definition has it for; none: all
}

// part is what tells parts of the definition apart.
type part struct {
	name, kind string
	digest     digest.Digest
}

// collect lists what has to be at the site.
func (c *checker) collect(ctx context.Context) error {
	for i := range c.definition.Images {
		m := &c.definition.Images[i]
		if platforms, needed := c.platformsFor(m); needed {
			c.items = append(c.items, c.image(m, platforms))
		}
	}
	if !c.opts.Artifact && len(c.definition.Parts()) == 0 {
		return nil
	}
	return c.artifact(ctx)
}

// platformsFor are those of the site's that an image is for; it reports whether any
// host needs the image.
func (c *checker) platformsFor(m *definition.Image) (list []registry.Platform, needed bool) {
	if len(m.Platforms) == 0 || len(c.asked) == 0 {
		return c.platforms, true
	}
	for _, p := range c.platforms {
		if m.RunsOn(p) {
			list = append(list, p)
		}
	}
	return list, len(list) > 0
}

// image is what hosts of some platforms need of an image.
func (c *checker) image(m *definition.Image, platforms []registry.Platform) *item {
	ref := m.Ref()
	i := &item{Item: Item{Name: m.Name, Kind: definition.KindImage, Digest: m.Digest}, repository: ref.Repository, signed: true, platforms: platforms}
	i.carried = c.carried(m)
	root := &branch{name: wants.Pinned{Name: ref.ByDigest(m.Digest).String(), Digest: m.Digest}}
	if said, err := registry.ParseRef(m.Name); err == nil && said.Digest == "" {
		root.tag = registry.Ref{Repository: ref.Repository, Tag: ref.Tag}
		root.name.Name = root.tag.String()
	}
	if len(m.Platforms) > 0 && len(platforms) < len(c.platforms) {
		root.name.Platforms = texts(platforms)
	}
	i.branches = append(i.branches, root)
	all := map[digest.Digest]*definition.Manifest{}
	for n := range m.Manifests {
		all[m.Manifests[n].Digest] = &m.Manifests[n]
	}
	topOf, companions := tops(all), map[digest.Digest]*branch{}
	for n := range m.Manifests {
		n := &m.Manifests[n]
		if !n.For(platforms) && n.Digest != m.Digest {
			continue
		}
		b := root
		if top := topOf(n); top.Tag != "" && top.Digest != m.Digest {
			if companions[top.Digest] == nil {
				tag := registry.Ref{Repository: ref.Repository, Tag: top.Tag}
				companions[top.Digest] = &branch{name: wants.Pinned{Name: tag.String(), Digest: top.Digest}, tag: tag, companion: true}
				i.branches = append(i.branches, companions[top.Digest])
			}
			b = companions[top.Digest]
		}
		c.addManifest(b, ref.Repository, n)
	}
	return i
}

// carried are the platforms that the definition has an image for.
func (c *checker) carried(m *definition.Image) []registry.Platform {
	texts := m.Platforms
	if len(texts) == 0 {
		texts = c.definition.Platforms
	}
	list, _ := registry.ParsePlatforms(texts) // Marshal has proven them
	return list
}

// tops follows subjects to what a name can stand for, of each manifest once.
func tops(all map[digest.Digest]*definition.Manifest) func(*definition.Manifest) *definition.Manifest {
	known := map[digest.Digest]*definition.Manifest{}
	return func(m *definition.Manifest) *definition.Manifest {
		var way []digest.Digest
		for known[m.Digest] == nil {
			known[m.Digest] = m // until the end is known; a ring ends where it began
			way = append(way, m.Digest)
			if subject := all[m.Subject]; m.Tag == "" && subject != nil {
				m = subject
			}
		}
		top := known[m.Digest]
		for _, d := range way {
			known[d] = top
		}
		return top
	}
}

func (c *checker) addManifest(b *branch, repository string, m *definition.Manifest) {
	d := registry.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size}
	e := entry{need: c.need(repository, d, true), platform: m.Platform, blobs: []digest.Digest{}}
	for _, blob := range m.Blobs {
		e.blobs = append(e.blobs, blob.Digest)
	}
	b.entries = append(b.entries, e)
	for _, blob := range m.Blobs {
		n := c.need(repository, registry.Descriptor{Digest: blob.Digest, Size: blob.Size}, false)
		b.entries = append(b.entries, entry{need: n, platform: m.Platform})
	}
}

// need is the same for all items that have it.
func (c *checker) need(repository string, d registry.Descriptor, manifest bool) *need {
	at := place{repository, d.Digest, manifest}
	if c.needs[at] == nil {
		c.needs[at] = &need{place: at, descriptor: d}
	}
	return c.needs[at]
}

// artifact is what has to be there of the definition itself. Its manifest, document
// and parts are there together or not at all; each part is told of by itself.
func (c *checker) artifact(ctx context.Context) error {
	parts := map[digest.Digest]definition.Opened{}
	for _, p := range c.definition.Parts() {
		parts[p.Digest] = func() (io.ReadCloser, error) { return nil, registry.ErrNotFound }
	}
	content, err := definition.Pack(c.document, parts, nil) // reads none of them
	if err != nil {
		return err
	}
	root, ref := content.Descriptor(), content.Ref()
	_, manifest, err := content.Manifest(ctx, ref)
	if err != nil {
		return err
	}
	parsed, err := registry.ParseManifest(root.MediaType, manifest)
	if err != nil {
		return err
	}
	name := wants.Pinned{Name: ref.String(), Digest: root.Digest}
	own := &branch{name: name, tag: ref, entries: []entry{{need: c.need(ref.Repository, root, true)}}}
	for _, b := range parsed.Blobs {
		if parts[b.Digest] == nil {
			own.entries = append(own.entries, entry{need: c.need(ref.Repository, registry.Bare(b), false)})
		}
	}
	c.items = append(c.items, &item{Item: Item{Name: ref.String(), Kind: KindDefinition, Digest: root.Digest}, repository: ref.Repository, branches: []*branch{own}})
	seen := map[part]bool{}
	for e := range definition.Graph(c.definition, nil) {
		if e.Kind == definition.KindImage {
			continue
		}
		p := part{e.Item, e.Kind, e.Descriptor.Digest}
		if seen[p] {
			continue // a layer may have two releases of one chart
		}
		seen[p] = true
		b := &branch{name: name, entries: []entry{{need: c.need(e.Repository, e.Descriptor, false)}}}
		c.items = append(c.items, &item{Item: Item{Name: p.name, Kind: p.kind, Digest: p.digest}, repository: e.Repository, branches: []*branch{b}})
	}
	return nil
}

func texts(list []registry.Platform) (texts []string) {
	for _, p := range list {
		texts = append(texts, registry.PlatformString(p))
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
