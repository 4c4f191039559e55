package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// Content is a definition and where its artifact is.
type Content struct {
	Definition *definition.Definition
	Ref        registry.Ref  // of its artifact; charts, manifests, files and providers are blobs of it
	Digest     digest.Digest // of the artifact's manifest
}

// Progress is how far staging is.
type Progress struct {
	Image  string // that is being brought, or the artifact
	Done   int    // images and the artifact
	Of     int
	Moved  int64 // bytes of blobs
	Proven int   // digests at the target, once all is brought
}

// Staged is what staging did.
type Staged struct {
	Images int   `json:"images"` // the artifact is one
	Moved  int64 `json:"moved"`  // bytes of blobs; what was there, or was mounted, is not counted
	Proven int   `json:"proven"` // digests
}

// How often a target that stalls or cuts is tried anew for one image, beside the patience
// that each request has.
const (
	attempts = 3
	between  = 2 * time.Second
)

// Stage makes the target hold a definition's artifact, with its signatures, and all of
// its images: each for all platforms that the definition has, with the signatures and
// other referrers that it lists, under their original names. It reads from the site, and
// moves only what the target is without: what was interrupted goes on. Each image's name
// comes last. Then all is proven, as by Verify.
//
// progress may be nil. Errors name the image, and say what to do.
func (t *Target) Stage(ctx context.Context, site registry.Reader, c Content, progress func(Progress)) (out Staged, err error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	w := &writer{target: t, at: map[digest.Digest]string{}}
	at := Progress{Of: len(c.Definition.Images) + 1}
	bring := func(name string, read func() (*registry.Graph, error)) error {
		at.Image, at.Moved = name, w.moved.Load()
		progress(at)
		if err := t.bring(ctx, w, site, read); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		at.Done++
		return nil
	}
	for i := range c.Definition.Images {
		m := &c.Definition.Images[i]
		if err := bring(m.Name, func() (*registry.Graph, error) { return imageGraph(ctx, site, m) }); err != nil {
			return out, err
		}
	}
	if err := bring(c.Ref.String(), func() (*registry.Graph, error) { return artifactGraph(ctx, site, c) }); err != nil {
		return out, err
	}
	out.Images, out.Moved = at.Done, w.moved.Load()
	at.Image, at.Moved = "", out.Moved
	out.Proven, err = t.Verify(ctx, c, func(proven int) { at.Proven = proven; progress(at) })
	return out, err
}

// bring copies what a graph lists. A target that breaks off is tried again, from where
// it is.
func (t *Target) bring(ctx context.Context, w *writer, site registry.Reader, read func() (*registry.Graph, error)) error {
	g, err := read()
	if err != nil {
		return fmt.Errorf("from the appliance's own registry: %w", err)
	}
	for attempt := 1; ; attempt++ {
		err := registry.Copy(ctx, w, site, g, registry.CopyOptions{Jobs: t.opts.Jobs})
		if !errors.Is(err, registry.ErrUnreachable) || attempt == attempts {
			return t.explain(err)
		}
		select {
		case <-time.After(between):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// imageGraph is what a definition lists of an image; the site may have more.
func imageGraph(ctx context.Context, site registry.Reader, m *definition.Image) (*registry.Graph, error) {
	ref := m.Ref()
	nodes, beside := map[digest.Digest]*registry.Node{}, map[digest.Digest][]registry.Descriptor{}
	root := registry.Name{Ref: ref}
	if root.Ref.Tag != "" {
		root.Ref.Digest = ""
	}
	var names []registry.Name
	for i := range m.Manifests {
		n := &m.Manifests[i]
		node, err := readNode(ctx, site, ref.ByDigest(n.Digest))
		if err != nil {
			return nil, err
		}
		nodes[n.Digest] = node
		switch {
		case n.Digest == m.Digest:
			root.Descriptor = node.Descriptor
			names = append(names, root)
		case n.Tag != "":
			names = append(names, registry.Name{Ref: registry.Ref{Repository: ref.Repository, Tag: n.Tag}, Descriptor: node.Descriptor})
		case n.Subject != "":
			beside[n.Subject] = append(beside[n.Subject], node.Descriptor)
		}
	}
	return registry.BuildGraph(names,
		func(d digest.Digest) *registry.Node { return nodes[d] },
		func(_ string, d digest.Digest) []registry.Descriptor { return beside[d] }), nil
}

// artifactGraph is the definition's own artifact with its signatures.
func artifactGraph(ctx context.Context, site registry.Reader, c Content) (*registry.Graph, error) {
	artifact, err := readNode(ctx, site, c.Ref.ByDigest(c.Digest))
	if err != nil {
		return nil, err
	}
	nodes := map[digest.Digest]*registry.Node{c.Digest: artifact}
	signatures, err := site.Referrers(ctx, c.Ref.Repository, c.Digest)
	if err != nil {
		return nil, err
	}
	signatures = slices.DeleteFunc(signatures, func(d registry.Descriptor) bool { return d.ArtifactType != definition.TypeSignature })
	for _, s := range signatures {
		if nodes[s.Digest], err = readNode(ctx, site, c.Ref.ByDigest(s.Digest)); err != nil {
			return nil, err
		}
	}
	name := registry.Name{Ref: registry.Ref{Repository: c.Ref.Repository, Tag: c.Ref.Tag}, Descriptor: artifact.Descriptor}
	return registry.BuildGraph([]registry.Name{name},
		func(d digest.Digest) *registry.Node { return nodes[d] },
		func(_ string, d digest.Digest) []registry.Descriptor {
			if d == c.Digest {
				return signatures
			}
			return nil
		}), nil
}

// readNode reads a manifest of the site. Its bytes are read again when they are needed.
func readNode(ctx context.Context, site registry.Reader, ref registry.Ref) (*registry.Node, error) {
	d, content, err := site.Manifest(ctx, ref)
	if err != nil {
		return nil, err
	}
	parsed, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return &registry.Node{Descriptor: d, Manifest: parsed}, nil
}
